"""The progress of a training on the terminal."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tqdm import tqdm

from pipeline.runs.checkpoints import RunCheckpoint
from pipeline.task.task import Task
from reinforce.records import UpdateRecord


class Progress:
    """A bar that counts episodes; quiet when the standard error is not a terminal.

    Args:
        task: What is trained.
        saved: How far each run has come already.
    """

    def __init__(self, task: Task, saved: Sequence[RunCheckpoint | None]) -> None:
        last = [checkpoint.records[-1] if checkpoint else None for checkpoint in saved]
        self._num_episodes = [record.num_episodes if record else 0 for record in last]
        self._num_env_steps = [record.num_env_steps if record else 0 for record in last]
        self._num_env_steps_before = sum(self._num_env_steps)
        self._total = len(saved) * task.params.train.num_episodes
        self._bar = tqdm(
            total=self._total,
            initial=sum(self._num_episodes),
            desc=task.name,
            unit=" episodes",
            disable=not sys.stderr.isatty(),
        )
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.close()

    def __str__(self) -> str:
        return f"{sum(self._num_episodes):,} of {self._total:,} episodes"

    @property
    def num_env_steps(self) -> int:
        """Env steps that this process has trained with."""
        return sum(self._num_env_steps) - self._num_env_steps_before

    def show(self, run: int, record: UpdateRecord) -> None:
        """Moves the bar by one update of a run, if it is new."""
        if record.num_episodes <= self._num_episodes[run]:
            return
        self._num_env_steps[run] = record.num_env_steps
        speed = self.num_env_steps / (time.monotonic() - self._started)
        self._bar.set_postfix_str(
            f"run {run + 1} of {len(self._num_episodes)}, mean return {record.mean_return:.4g}, "
            f"{speed:,.0f} env steps/s",
            refresh=False,
        )
        self._bar.update(record.num_episodes - self._num_episodes[run])
        self._num_episodes[run] = record.num_episodes
