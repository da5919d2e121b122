#!/bin/sh
# Makes build/venv, the virtual environment of everything here. See scripts/setup/bootstrap.py.
# PYTHON=/path/to/python chooses the interpreter; else the first one found that is 3.11 or newer.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH

usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    usable "$PYTHON" || { echo "bootstrap: PYTHON=$PYTHON is not a working Python 3.11 or newer" >&2; exit 1; }
    chosen=$PYTHON
else
    chosen=
    for candidate in python3 python3.12 python3.13 python3.11 python3.14; do
        if usable "$candidate"; then
            chosen=$candidate
            break
        fi
    done
    if [ -z "$chosen" ]; then
        echo "bootstrap: no Python 3.11 or newer found (tried python3, python3.11 to python3.14)." >&2
        echo "bootstrap: on Debian 12 or newer: apt-get install python3 python3-venv; or set PYTHON=..." >&2
        exit 1
    fi
fi

exec "$chosen" "$root/scripts/setup/bootstrap.py" "$@"
