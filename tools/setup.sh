#!/bin/sh
# Make .venv match the lock files, whatever state it is in. If it matches already, print nothing.
#
# Usage: setup.sh [--gpu] [PYTHON]
#   --gpu     use requirements-gpu.txt instead of requirements.txt, now and in later runs, until .venv
#             is deleted
#   PYTHON    make .venv with this Python instead of searching for one (see find_python.sh)
#
# requirements-tune.txt, for command `tune`, is installed with either; it adds 40 MB and 8 s.
#
# .venv/.lock         name of the chosen lock file; kept when .venv is made again
# .venv/.installed    the folder in which .venv was made, then the installed lock files. Written last
#                     and removed first: without it, .venv is unfinished
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

# Ignore the settings of another Python. Write bytecode now: without it, every import of TensorFlow
# takes three seconds longer.
unset PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

say() { printf 'setup: %s\n' "$*"; }

fail() {
    say "$*" >&2
    exit 1
}

installed_facts() {
    pwd -P
    cat -- "$lock" "$tune"
}

python_build() { "$1" -IS -c 'import sys; print(sys.version.replace("\n", " "))' 2>/dev/null; }

# Print why .venv cannot be kept, or nothing if it can.
reason_to_remake() {
    if [ ! -e .venv/.installed ]; then
        echo 'is unfinished, or was not made by make'
    elif [ "$(head -n 1 .venv/.installed)" != "$(pwd -P)" ]; then
        # The first line of its scripts has the path of the old Python.
        echo "was made in another folder, $(head -n 1 .venv/.installed)"
    elif ! build=$(python_build .venv/bin/python); then
        echo 'was made with a Python that no longer runs'
    elif [ ! -d ".venv/lib/python$(echo "$build" | cut -d. -f1,2)/site-packages" ]; then
        echo "was made with another version of Python, and now runs ${build%% *}"
    elif [ -n "$python" ] && [ "$build" != "$(python_build "$python")" ]; then
        echo "runs Python ${build%% *}, not $python"
    fi
}

make_venv() {
    base=$(sh tools/find_python.sh "$python") || exit 1
    say "making .venv with Python $("$base" -V | cut -d' ' -f2) ($base)"
    if [ -L .venv ] || [ ! -d .venv ]; then rm -f .venv; fi # venv refuses a link
    mkdir -p .venv
    rm -f .venv/.installed
    printf '%s\n' "$lock" >.venv/.lock
    rm -rf .venv/* # spares .lock
    "$base" -m venv .venv || fail ".venv: expected '$base -m venv .venv' to succeed; see above"
}

# Quiet whatever pip's configuration. If pip fails, the end of its output is shown.
pip() {
    .venv/bin/python -m pip --disable-pip-version-check --quiet "$@" >.venv/.pip.log 2>&1 || {
        tail -n 30 .venv/.pip.log >&2
        fail "$lock: expected pip to install it, received the error above;" \
            'fix its cause and run make again'
    }
}

pip_install() { pip install --no-user --compile --require-hashes "$@"; }

# One requirement has no wheel, and pip would build it with the newest setuptools, neither pinned nor
# hashed. So the pinned setuptools is installed first, with `wheel` for an old pip, for this build.
install_lock() {
    say "installing $lock into .venv (the first time, some minutes and about 3 GB; 7 GB with CUDA)"
    awk '/^[a-z]/ { wanted = /^(packaging|setuptools|wheel)==/ } wanted' "$lock" >.venv/.build.txt
    pip_install -r .venv/.build.txt
    pip_install --no-build-isolation -r "$lock" -r "$tune"
}

package_names() { sed -n 's/^\([A-Za-z0-9][A-Za-z0-9._-]*\)==.*/\1/p' "$1"; }

# In place, to keep packages that the user has added to .venv (for an environment, say).
update_venv() {
    wanted=$(package_names "$lock" && package_names "$tune")
    dropped=$(package_names .venv/.installed | grep -vxF -e "$wanted" | sort -u)
    rm -f .venv/.installed
    printf '%s\n' "$lock" >.venv/.lock
    install_lock
    # shellcheck disable=SC2086
    [ -z "$dropped" ] || pip uninstall --yes $dropped
}

# Checked now, since DVC would fail only after the installation.
received=$(git rev-parse --git-dir 2>&1) ||
    fail "$(pwd -P): expected a git repository, which DVC needs, received '$received';" \
        "to make one of an unpacked archive, run \`git init && git add -A && git commit -m 'Begin'\`"

tune=requirements-tune.txt
lock=requirements.txt
[ ! -s .venv/.lock ] || lock=$(cat .venv/.lock)
if [ "${1:-}" = --gpu ]; then
    [ "$(uname -s)" = Linux ] || fail "make gpu: expected Linux (or WSL), received $(uname -s)"
    lock=requirements-gpu.txt
    shift
fi
python=${1:-}
[ -z "$python" ] || sh tools/find_python.sh "$python" >/dev/null || exit 1

reason=$(reason_to_remake)
if [ -z "$reason" ] && installed_facts | cmp -s - .venv/.installed; then exit 0; fi

if [ -z "$reason" ]; then
    say "updating .venv, which does not match $lock"
    update_venv
else
    [ ! -e .venv ] || say ".venv $reason"
    make_venv
    install_lock
fi
installed_facts >.venv/.installed.new
mv .venv/.installed.new .venv/.installed
say '.venv is ready'
