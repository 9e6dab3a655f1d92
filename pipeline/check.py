"""Check params.yaml, its environments included, and name every mistake in it."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from environments.diagnostics import find_warnings
from environments.faults import EnvironmentFault
from pipeline.process.messages import exit_with_message
from pipeline.runs.workers import default_num_workers
from pipeline.task.check import check_params
from pipeline.task.errors import UserError
from pipeline.task.task import Task, load_task


def main(arguments: list[str] | None = None) -> None:
    """Print one line if all is well; otherwise exit as `exit_with_message` says, with all mistakes.

    What is peculiar about an environment, but no mistake, is said on the standard error.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline check", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), metavar="FILE")
    path: Path = parser.parse_args(arguments).params
    with exit_with_message(parser.prog):
        params = check_params(path)
        tasks = [load_task(path, name) for name in params.tasks]
        _try_environments(path, tasks)
        memory = _memory_of_episodes(path, tasks)
    number = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    print(f"{path}: {number} ({', '.join(params.tasks)}), no mistakes")
    print(f"memory for episodes, if all last to the time limit: {memory}")


def _try_environments(path: Path, tasks: Sequence[Task]) -> None:
    """Play a short episode of each task.

    Raises:
        UserError: If an environment misbehaves in it; the message has a line for each.
    """
    faults = []
    for task in tasks:
        place = f"{path}: tasks.{task.name}.env"
        try:
            for peculiarity in find_warnings(task.specification):
                print(f"{place}: {peculiarity}", file=sys.stderr)
        except EnvironmentFault as fault:
            faults.append(f"{place}: {fault}")
    if faults:
        raise UserError("\n".join(faults))


def _memory_of_episodes(path: Path, tasks: Sequence[Task]) -> str:
    """Say how much memory the episodes of each task take at most.

    Raises:
        UserError: If this machine has less; the message has a line for each such task.
    """
    machine = psutil.virtual_memory().total
    needed = [(task, episodes_bytes(task)) for task in tasks]
    lines = [
        f"{path}: tasks.{task.name}: episodes of up to {task.specification.max_episode_steps:,} "
        f"steps take up to {_megabytes(size)} of memory, and this machine has "
        f"{_megabytes(machine)}; see env.max_episode_steps and the numbers of episodes"
        for task, size in needed
        if size > machine
    ]
    if lines:
        raise UserError("\n".join(lines))
    return ", ".join(f"{task.name} {_megabytes(size)}" for task, size in needed)


def _megabytes(size: int) -> str:
    return f"{math.ceil(size / 1e6):,} MB"


def episodes_bytes(task: Task) -> int:
    """Estimate the bytes of the episodes that a stage holds at most, copies included.

    `rollout` holds those of all runs, and stacks them. In `train`, each worker reads all of these;
    it verifies a run's, which takes two copies, or trains: four copies of an update's. In
    `evaluate`, each holds those of both ways of acting, and copies the steps of one.
    """
    params, specification = task.params, task.specification
    num_rollouts = params.num_runs * params.rollout.num_episodes
    num_workers = min(task.num_workers or default_num_workers(), params.num_runs)
    at_work = max(2 * params.rollout.num_episodes, 4 * params.train.episodes_per_update)
    num_episodes = max(
        2 * num_rollouts,
        num_workers * (num_rollouts + at_work),
        num_workers * 3 * params.evaluate.num_episodes,
    )
    numbers = specification.observation_size + math.prod(specification.action_space.shape or ())
    step = 4 * (numbers + 2) + 3  # float32 and int32, log-probability, reward, and three flags
    return num_episodes * specification.max_episode_steps * step
