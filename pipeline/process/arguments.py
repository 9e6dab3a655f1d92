"""Arguments of commands, checked by argparse before the command starts."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

PARAMS = Path("params.yaml")  # that DVC reads


def count(text: str) -> int:
    """Parse an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, received {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """Parse a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, received {text!r}")
    return value


def file_to_write(suffix: str) -> Callable[[str], Path]:
    """Return a parser of paths with this suffix. The file may exist; a folder is an error."""

    def file(text: str) -> Path:
        path = Path(text)
        if path.suffix.lower() != suffix or path.is_dir():
            raise argparse.ArgumentTypeError(
                f"expected a file name ending in {suffix}, received {text!r}"
            )
        return path

    return file


def add_params(parser: argparse.ArgumentParser) -> None:
    """Add the option `--params FILE`, a Path."""
    parser.add_argument(
        "--params",
        type=Path,
        default=PARAMS,
        metavar="FILE",
        help="the parameters (default: %(default)s)",
    )
