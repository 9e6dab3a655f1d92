#!/bin/sh
# Prints the path of a Python on which the locked requirements install: CPython 3.11, 3.12 or 3.13
# with what `python -m venv` needs.
#
# Usage: find_python.sh [PYTHON]      PYTHON, if it is given and not empty, is the only candidate
#
# Candidates are run, not merely looked up: a version manager's shim is on PATH for versions that
# it then refuses to start, and Debian ships `venv` without `ensurepip`. For the same reason all of
# PATH is searched, not only its first folder that has the name.
# Exits with 1 and a message on stderr if nothing fits.
set -u
unset PYTHONHOME PYTHONPATH

# The oldest first: it is what the lint, the types and the lock are made for, and what works on it
# works on the newer ones.
names='python3.11 python3.12 python3.13 python3 python'

# Python 2 has to be able to read this, to say that it is Python 2. An environment's Python answers
# with the one it was made from: the environment may be the one that is about to be deleted.
# shellcheck disable=SC2016
probe='
import sys

def obstacle():
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return "not 3.11, 3.12 or 3.13"
    import sysconfig
    if sys.implementation.name != "cpython":
        return "not CPython but " + sys.implementation.name
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "the free-threaded build"
    if sys.maxsize < 2**32:
        return "a 32-bit build"
    try:
        import ensurepip, venv
    except ImportError:
        name = "python%d.%d-venv" % sys.version_info[:2]
        return "without venv or ensurepip (Debian and Ubuntu: apt install " + name + ")"

problem = obstacle()
if problem:
    print("Python %d.%d.%d, " % sys.version_info[:3] + problem)
else:
    print("usable:" + sys._base_executable)
'

seen=
try() { # prints the path and ends the script if "$1" is usable, else remembers why it is not
    answer=$("$1" -ES -c "$probe" 2>&1 </dev/null) || answer="does not start: $answer"
    case $answer in
    usable:*)
        printf '%s\n' "${answer#usable:}"
        exit 0
        ;;
    esac
    seen="$seen
    $1: $(printf '%s\n' "$answer" | head -n 1)"
}

if [ -n "${1:-}" ]; then
    looked_for="PYTHON=$1"
    try "$1"
else
    looked_for="$names on PATH"
    IFS=:
    set -f
    for folder in $PATH; do
        set -- "$@" "${folder:-.}"
    done
    unset IFS
    for name in $names; do
        for folder do
            if [ -x "$folder/$name" ]; then try "$folder/$name"; fi
        done
    done
fi

cat >&2 <<END
setup: Python: expected CPython 3.11, 3.12 or 3.13 with venv and ensurepip.
  Looked for: $looked_for
  Received:${seen:- nothing of these names}
  Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.12),
  or say where it is: make PYTHON=/path/to/python3.12 <target>
END
exit 1
