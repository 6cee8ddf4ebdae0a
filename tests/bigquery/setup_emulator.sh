#!/usr/bin/env bash
# setup_emulator.sh DIR: makes the emulator's virtual environment in DIR, once.
# Exits 0 when DIR is ready, 3 when there is no Python >= 3.13 to make it with.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/python_at_least.sh"

dir=${1:?usage: setup_emulator.sh DIR}
stamp=$(cat "$here/requirements-emulator.txt" "$here/setup_emulator.sh" | sha256sum)
if [ "$(cat "$dir/.ready" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

python=$(python_at_least 3.13) || exit 3
# Anything in DIR is an environment of ours that is out of date, or it is not ours to delete.
if [ -e "$dir" ] && [ ! -e "$dir/pyvenv.cfg" ]; then echo "$dir is in the way" >&2; exit 1; fi
rm -rf "$dir"
bash "$here/../environment.sh" "$python" "$dir" --no-deps \
    -r "$here/requirements-emulator.txt"

# DuckDB searches for extensions under HOME: a HOME inside DIR keeps the user's own untouched.
mkdir "$dir/home"
HOME="$dir/home" "$dir/bin/python" - <<'PYTHON'
import duckdb_extensions

for name in ("icu", "ducklake", "spatial", "avro"):
    duckdb_extensions.import_extension(name)
PYTHON
echo "$stamp" >"$dir/.ready"
