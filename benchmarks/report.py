"""Tables of measurements, and JSON with everything that the figures depend on."""

import argparse
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.process.arguments import file_to_write

PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "gymnasium", "numpy")


def processor() -> str:
    """Return the processor's name as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    fields = [[part.strip() for part in line.partition(":")[::2]] for line in lines]
    cores = sum(name == "processor" for name, _ in fields)
    names = [value for name, value in fields if name == "model name"]
    family = [value for name, value in fields if name == "cpu family"]
    if not names:
        return platform.processor() or platform.machine()
    return f"{names[0]}{f', family {family[0]}' if family else ''}, {cores} cores"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect speed."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def aligned_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format rows as a Markdown table, aligned right and readable as plain text."""
    cells = [list(headers), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(text.rjust(w) for text, w in zip(row, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option `--json PATH`, for `write_measurements`."""
    parser.add_argument(
        "--json",
        type=file_to_write(".json"),
        metavar="PATH",
        help="write the measurements to this file",
    )


def write_measurements(path: Path | None, command: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write measurements as JSON: `command`, `processor`, `versions` and `rows`.

    Args:
        path: The file; None to write nothing.
        command: The command that measured.
        rows: The measurements. Keys end with the unit where there is one.
    """
    if path is None:
        return
    measured = {
        "command": command,
        "processor": processor(),
        "versions": versions(),
        "rows": list(rows),
    }
    path.write_text(json.dumps(measured, indent=2) + "\n")
