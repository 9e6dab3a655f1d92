#!/bin/sh
# Brings .venv to what the lock file says, from whatever state it is in; does nothing, and says
# nothing, if it is there already.
#
# Usage: setup.sh [--gpu] [PYTHON]
#   --gpu     choose requirements-gpu.txt; the choice holds until .venv is deleted
#   PYTHON    make .venv with this one instead of looking for one (see find_python.sh)
#
# .venv/.lock         name of the lock file chosen; outlives every remaking of .venv
# .venv/.installed    the folder that .venv was made in, then the lock file as it was installed;
#                     written last and removed first, so that without it .venv is unfinished
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

# What belongs to another Python must not be mistaken for a part of .venv, and the bytecode must be
# written now: without it each import of TensorFlow would take three seconds more.
unset PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

say() { printf 'setup: %s\n' "$*"; }

fail() {
    say "$*" >&2
    exit 1
}

installed_facts() {
    pwd -P
    cat -- "$lock"
}

python_build() { "$1" -IS -c 'import sys; print(sys.version.replace("\n", " "))' 2>/dev/null; }

# Prints why .venv cannot be kept, or nothing if it can.
why_remake() {
    if [ ! -e .venv/.installed ]; then
        echo 'is unfinished, or was not made by make'
    elif [ "$(head -n 1 .venv/.installed)" != "$(pwd -P)" ]; then
        # Its commands name the Python of the old place in their first line.
        echo "was made in another folder, $(head -n 1 .venv/.installed)"
    elif ! build=$(python_build .venv/bin/python); then
        echo 'has lost the Python that it was made with'
    elif [ ! -d ".venv/lib/python$(echo "$build" | cut -d. -f1,2)/site-packages" ]; then
        echo "was made with another version of Python than it now starts, ${build%% *}"
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

# Quiet, whatever pip's configuration makes it say; what it said is shown if it fails.
pip() {
    .venv/bin/python -m pip --disable-pip-version-check --quiet "$@" >.venv/.pip.log 2>&1 || {
        tail -n 30 .venv/.pip.log >&2
        fail "$lock: expected pip to install it. Received the error above." \
            'Once its cause is gone, make begins anew.'
    }
}

pip_install() { pip install --no-user --compile --require-hashes "$@"; }

# One requirement has no wheel, and pip would build it with the newest setuptools, unlocked and
# unhashed. So the locked one goes first, with `wheel` for an old pip, and the build uses these.
install_lock() {
    say "installing $lock into .venv (at first some minutes and about 3 GB, with CUDA about 7 GB)"
    awk '/^[a-z]/ { wanted = /^(packaging|setuptools|wheel)==/ } wanted' "$lock" >.venv/.build.txt
    pip_install -r .venv/.build.txt
    pip_install --no-build-isolation -r "$lock"
}

package_names() { sed -n 's/^\([A-Za-z0-9][A-Za-z0-9._-]*\)==.*/\1/p' "$1"; }

# In place, so that what the user has added to .venv (say, the package of an environment) stays.
update_venv() {
    dropped=$(package_names .venv/.installed | grep -vxF -e "$(package_names "$lock")" | sort -u)
    rm -f .venv/.installed
    printf '%s\n' "$lock" >.venv/.lock
    install_lock
    # shellcheck disable=SC2086
    [ -z "$dropped" ] || pip uninstall --yes $dropped
}

# Said now: DVC would say it after the installation.
received=$(git rev-parse --git-dir 2>&1) ||
    fail "$(pwd -P): expected a git repository, which DVC needs. Received: $received." \
        "After \`git init && git add -A && git commit -m 'Begin'\` the files of an archive are one."

lock=requirements.txt
[ ! -s .venv/.lock ] || lock=$(cat .venv/.lock)
if [ "${1:-}" = --gpu ]; then
    [ "$(uname -s)" = Linux ] || fail "make gpu: expected Linux (or WSL). Received: $(uname -s)"
    lock=requirements-gpu.txt
    shift
fi
python=${1:-}
[ -z "$python" ] || sh tools/find_python.sh "$python" >/dev/null || exit 1

reason=$(why_remake)
if [ -z "$reason" ] && installed_facts | cmp -s - .venv/.installed; then exit 0; fi

if [ -z "$reason" ]; then
    say ".venv holds something else than $lock says: changing it"
    update_venv
else
    [ ! -e .venv ] || say ".venv $reason"
    make_venv
    install_lock
fi
installed_facts >.venv/.installed.new
mv .venv/.installed.new .venv/.installed
say '.venv is ready'
