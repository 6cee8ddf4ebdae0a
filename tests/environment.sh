#!/usr/bin/env bash
# environment.sh PYTHON DIR ARGS...: makes the virtual environment DIR if it is not there, and has
# `pip install ARGS` done in it. uv, which `make` puts into .venvs/uv, does that in a third of pip's
# time. Where there is none or it fails, and where pip has settings that cannot be passed on, pip does.
set -euo pipefail
python=$1 dir=$2
shift 2

uv=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.venvs/uv/bin/uv
[ -x "$uv" ] || uv=

# uv reads none of pip's settings: the index, certificates and the rest come from them.
settings=$("$python" -m pip config list) || uv=
while IFS='=' read -r name value; do
    value=${value#\'} value=${value%\'}
    value=${value//\\n/ }
    case ${name##*.} in
        index-url) export UV_DEFAULT_INDEX=$value ;;
        extra-index-url) export UV_INDEX=$value ;;
        find-links) export UV_FIND_LINKS=${value// /,} ;;
        constraint) export UV_CONSTRAINT=$value ;;
        cert) export SSL_CERT_FILE=$value ;;
        proxy) export ALL_PROXY=$value ;;
        trusted-host) export UV_INSECURE_HOST=$value ;;
        timeout | default-timeout) export UV_HTTP_TIMEOUT=$value ;;
        # What decides nothing about what is installed.
        "" | cache-dir | disable-pip-version-check | no-cache-dir | no-input | progress-bar | \
            quiet | retries | root-user-action | verbose) ;;
        *) uv= ;;
    esac
done <<<"$settings"
# As pip does: the best version of all indexes, and the certificates of the system.
export UV_INDEX_STRATEGY=unsafe-best-match UV_NATIVE_TLS=1 UV_PYTHON_DOWNLOADS=never

# Compiled now: the tests write no bytecode, and would compile it in every process.
export UV_COMPILE_BYTECODE=${UV_COMPILE_BYTECODE:-1}

if [ -n "$uv" ]; then
    { [ -e "$dir/pyvenv.cfg" ] || "$uv" venv --quiet --python "$python" "$dir"; } &&
        "$uv" pip install --quiet --python "$dir/bin/python" "$@" && exit 0
    echo "uv did not make $dir: pip does" >&2
fi
"$dir/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet "$@"
