"""Check params.yaml, its environments included, and name every mistake in it."""

import argparse
from pathlib import Path

from pipeline.process.messages import one_message
from pipeline.task.check import check_params


def main(arguments: list[str] | None = None) -> None:
    """Print one line if all is well; otherwise exit as `one_message` says, with all mistakes."""
    parser = argparse.ArgumentParser(prog="python -m pipeline check", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), metavar="FILE")
    path: Path = parser.parse_args(arguments).params
    with one_message(parser.prog):
        params = check_params(path)
    tasks = "1 task" if len(params.tasks) == 1 else f"{len(params.tasks)} tasks"
    print(f"{path}: {tasks} ({', '.join(params.tasks)}), no mistakes")
