# Sourced by the setup scripts: `python_at_least 3.13` prints the first Python of that version
# or newer (and `python_at_least 3.12 3.13` one that is older than the second), checked for on PATH,
# among pyenv's versions and with uv; fails loudly without one.
python_at_least() {
    local wanted=$1 below=${2:-3.99} minor candidate
    minor=${wanted#3.}
    {
        for m in $(seq "$minor" $((minor + 5))); do command -v "python3.$m" || true; done
        command -v python3 python || true
        ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 2>/dev/null || true
        uv python find ">=$wanted,<$below" 2>/dev/null || true
    } | while read -r candidate; do
        # A pyenv shim exists for versions that are not switched on, and fails: so ask it.
        if "$candidate" -c "import sys; sys.exit(not (3, $minor) <= sys.version_info[:2] < (3, ${below#3.}))" 2>/dev/null; then
            echo "$candidate"
            break
        fi
    done | grep . || {
        echo "no Python >= $wanted and < $below found (PATH, pyenv, uv)" >&2
        return 1
    }
}
