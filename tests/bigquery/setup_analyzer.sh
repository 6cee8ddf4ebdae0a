#!/usr/bin/env bash
# setup_analyzer.sh DIR: makes the analyzer's virtual environment in DIR, once, and compiles
# its WebAssembly into DIR, so that no test waits for it.
# Exits 0 when DIR is ready, 3 when there is no Python >= 3.11 to make it with.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/python_at_least.sh"

dir=${1:?usage: setup_analyzer.sh DIR}
stamp=$(cat "$here/requirements-analyzer.txt" "$here/setup_analyzer.sh" | sha256sum)
if [ "$(cat "$dir/.ready" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

python=$(python_at_least 3.11) || exit 3
# Anything in DIR is an environment of ours that is out of date, or it is not ours to delete.
if [ -e "$dir" ] && [ ! -e "$dir/pyvenv.cfg" ]; then echo "$dir is in the way" >&2; exit 1; fi
rm -rf "$dir"
bash "$here/../environment.sh" "$python" "$dir" --no-deps \
    -r "$here/requirements-analyzer.txt"
"$dir/bin/python" "$here/analyzer.py" </dev/null
echo "$stamp" >"$dir/.ready"
