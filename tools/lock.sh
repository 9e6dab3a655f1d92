#!/bin/sh
# Rewrite the requirements*.txt, with every package pinned and hashed, for Python 3.11 to 3.13 on any
# platform. Pinned packages keep their versions as long as the .in files allow it. To upgrade a
# package, raise its version in its .in file; to upgrade all, delete the locks.
#
# Usage: lock.sh [PYTHON]      (see find_python.sh)
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

# uv has a separate environment, so that a lock that no longer installs can still be replaced.
python=$(sh tools/find_python.sh "${1:-}") || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
"$python" -m venv "$scratch"
"$scratch/bin/python" -m pip --disable-pip-version-check --quiet install --no-user uv==0.13.9

lock() {
    echo "lock: $1 -> $2"
    "$scratch/bin/uv" pip compile --quiet --python "$scratch/bin/python" \
        --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
        --output-file "$2" "$1"
}

lock requirements.in requirements.txt
lock requirements-gpu.in requirements-gpu.txt
lock requirements-tune.in requirements-tune.txt
lock requirements-extras.in requirements-extras.txt
