"""Run `python -m pipeline`, and handle Ctrl-C before anything slow is imported."""

import io
import pkgutil
import sys

from pipeline.process.interruption import respond_to_signals

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):  # stdout may be None
        sys.stdout.reconfigure(errors="backslashreplace")  # for terminals that cannot print ∞
    with respond_to_signals():
        pkgutil.resolve_name("pipeline.process.command:main")(sys.argv[1:])
