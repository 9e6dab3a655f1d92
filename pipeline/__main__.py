"""Run `python -m pipeline`: Ctrl-C has an answer before anything slow is imported."""

import io
import pkgutil
import sys

from pipeline.process.interruption import respond_to_signals

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):  # there may be none
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without ∞
    with respond_to_signals():
        pkgutil.resolve_name("pipeline.process.command:main")(sys.argv[1:])
