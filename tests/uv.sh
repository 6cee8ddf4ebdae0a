#!/usr/bin/env bash
# uv.sh PYTHON ARGS...: runs uv, which `make` puts into .venvs/uv, with the settings of PYTHON's pip.
# Exits 3 where there is no uv, or pip has settings that cannot be passed on.
set -euo pipefail
python=$1
shift

uv=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.venvs/uv/bin/uv
[ -x "$uv" ] || { echo "there is no $uv" >&2; exit 3; }

# uv reads none of pip's settings: the index, certificates and the rest come from them.
settings=$("$python" -m pip config list) || exit 3
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
        *) echo "uv cannot take pip's setting $name" >&2 && exit 3 ;;
    esac
done <<<"$settings"
# As pip does: the best version of all indexes, and the certificates of the system.
export UV_INDEX_STRATEGY=unsafe-best-match UV_NATIVE_TLS=1 UV_PYTHON_DOWNLOADS=never

exec "$uv" "$@"
