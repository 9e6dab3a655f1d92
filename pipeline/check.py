"""Check params.yaml and, if it has no mistakes, play trial episodes in each environment."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from environments.diagnostics import find_warnings
from environments.faults import EnvironmentFault
from pipeline.process.arguments import add_params
from pipeline.process.messages import exit_with_message
from pipeline.runs.workers import default_num_workers
from pipeline.task.check import check_params
from pipeline.task.errors import UserError
from pipeline.task.task import Task, load_task


def main(arguments: list[str] | None = None) -> None:
    """Print a summary, or list all mistakes and exit as `exit_with_message` does.

    Warnings about environments go to stderr.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline check", description=__doc__)
    add_params(parser)
    path: Path = parser.parse_args(arguments).params
    with exit_with_message(parser.prog):
        params = check_params(path)
        tasks = [load_task(path, name) for name in params.tasks]
        _try_environments(path, tasks)
        memory = _memory_of_episodes(path, tasks)
    number = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    print(f"{path}: {number} ({', '.join(params.tasks)}), no mistakes")
    print(f"peak memory for episodes, if all reach the time limit: {memory}")


def _try_environments(path: Path, tasks: Sequence[Task]) -> None:
    """Play trial episodes of each task, and print warnings.

    Raises:
        UserError: If an environment fails; the message has a line for each.
    """
    faults = []
    for task in tasks:
        location = f"{path}: tasks.{task.name}.env"
        try:
            for warning in find_warnings(task.specification):
                print(f"warning: {location}: {warning}", file=sys.stderr)
        except EnvironmentFault as fault:
            faults.append(f"{location}: {fault}")
    if faults:
        raise UserError("\n".join(faults))


def _memory_of_episodes(path: Path, tasks: Sequence[Task]) -> str:
    """Describe the maximum memory for the episodes of each task.

    Raises:
        UserError: If a task needs more than this machine has; the message has a line for each.
    """
    machine = psutil.virtual_memory().total
    needed = [(task, episodes_bytes(task)) for task in tasks]
    lines = [
        f"{path}: tasks.{task.name}: episodes of up to {task.specification.max_episode_steps:,} "
        f"steps need up to {_megabytes(size)} of memory, but this machine has "
        f"{_megabytes(machine)}; reduce env.max_episode_steps or the numbers of episodes"
        for task, size in needed
        if size > machine
    ]
    if lines:
        raise UserError("\n".join(lines))
    return ", ".join(f"{task.name} {_megabytes(size)}" for task, size in needed)


def _megabytes(size: int) -> str:
    return f"{math.ceil(size / 1e6):,} MB"


def episodes_bytes(task: Task) -> int:
    """Estimate the maximum bytes of episodes that a stage holds at a time, including copies.

    `rollout` holds the episodes of all runs and stacks them, which doubles them. In `train`, each
    worker reads all of these; it also holds two copies of one run's episodes while it verifies
    them, or four copies of one update's episodes while it trains. In `evaluate`, each worker holds
    greedy and sampled episodes, and a copy of one mode's steps.
    """
    params, specification = task.params, task.specification
    num_rollouts = params.num_runs * params.rollout.num_episodes
    num_workers = min(task.num_workers or default_num_workers(), params.num_runs)
    per_worker = max(2 * params.rollout.num_episodes, 4 * params.train.episodes_per_update)
    num_episodes = max(
        2 * num_rollouts,
        num_workers * (num_rollouts + per_worker),
        num_workers * 3 * params.evaluate.num_episodes,
    )
    numbers = specification.observation_size + math.prod(specification.action_space.shape or ())
    step = 4 * (numbers + 2) + 3  # float32 and int32, log-probability, reward, and three flags
    return num_episodes * specification.max_episode_steps * step
