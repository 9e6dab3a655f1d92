#!/bin/sh
# Print the path of a Python that can install the locked requirements: CPython 3.11, 3.12 or 3.13
# with `venv` and `ensurepip`.
#
# Usage: find_python.sh [PYTHON]      a PYTHON that is not empty is the only candidate
#
# Every candidate is run, since finding it is not enough: a version manager's shim is on PATH even
# for versions that it refuses to start, and Debian ships `venv` without `ensurepip`. For the same
# reason all folders on PATH are searched, not only the first that has the name.
# Exit with 1 and a message on stderr if no candidate is usable.
set -u
unset PYTHONHOME PYTHONPATH

# Oldest first: lint, types and lock target it, and code that works on it works on newer versions.
names='python3.11 python3.12 python3.13 python3 python'

# This must be valid Python 2, too, so that Python 2 can report its version. In a virtual environment
# it prints the base Python, because the environment may be the one that is about to be deleted.
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
try() { # if "$1" is usable, print its path and exit; otherwise record the reason
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
  Received:${seen:- no such command}
  Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.12),
  or give its path: make PYTHON=/path/to/python3.12 <target>
END
exit 1
