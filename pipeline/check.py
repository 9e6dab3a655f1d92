"""Check params.yaml, its environments included, and name every mistake in it."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from environments.faults import EnvironmentFault
from environments.peculiarities import find_peculiarities
from pipeline.process.messages import one_message
from pipeline.task.check import check_params
from pipeline.task.errors import UserError
from pipeline.task.task import load_task


def main(arguments: list[str] | None = None) -> None:
    """Print one line if all is well; otherwise exit as `one_message` says, with all mistakes.

    What is peculiar about an environment, but no mistake, is said on the standard error.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline check", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), metavar="FILE")
    path: Path = parser.parse_args(arguments).params
    with one_message(parser.prog):
        params = check_params(path)
        _try_environments(path, params.tasks)
    tasks = "1 task" if len(params.tasks) == 1 else f"{len(params.tasks)} tasks"
    print(f"{path}: {tasks} ({', '.join(params.tasks)}), no mistakes")


def _try_environments(path: Path, tasks: Iterable[str]) -> None:
    """Play a short episode of each task.

    Raises:
        UserError: If an environment misbehaves in it; the message has a line for each.
    """
    faults = []
    for task in tasks:
        place = f"{path}: tasks.{task}.env"
        try:
            for peculiarity in find_peculiarities(load_task(path, task).specification):
                print(f"{place}: {peculiarity}", file=sys.stderr)
        except EnvironmentFault as fault:
            faults.append(f"{place}: {fault}")
    if faults:
        raise UserError("\n".join(faults))
