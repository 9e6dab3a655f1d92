"""The progress of training, shown on the terminal."""

import time
from collections.abc import Sequence

from pipeline.formatting import number
from pipeline.progress_bar import ProgressBar
from pipeline.runs.checkpoints import RunCheckpoint
from pipeline.task.task import Task
from reinforce.records import UpdateRecord


class Progress:
    """The number of episodes of all runs so far, and the last update; `bar` shows both.

    Args:
        task: The task that is trained.
        saved: The checkpoint that each run resumes from, if any.
    """

    def __init__(self, task: Task, saved: Sequence[RunCheckpoint | None]) -> None:
        last = [checkpoint.records[-1] if checkpoint else None for checkpoint in saved]
        self._num_episodes = [record.num_episodes if record else 0 for record in last]
        self._num_env_steps = [record.num_env_steps if record else 0 for record in last]
        self._num_env_steps_before = sum(self._num_env_steps)
        self._episodes_per_run = task.params.train.num_episodes
        self._first: tuple[float, int] | None = None  # time and env steps of the first update
        self.bar = ProgressBar(
            task.name,
            "compiling" if task.is_compiled else "starting",
            len(saved) * self._episodes_per_run,
            self.num_episodes,
        )

    def __str__(self) -> str:
        num_runs = len(self._num_episodes)
        runs = f" ({num_runs} runs)" if num_runs > 1 else ""
        return f"{self.num_episodes:,} of {num_runs * self._episodes_per_run:,} episodes{runs}"

    @property
    def num_episodes(self) -> int:
        """Number of episodes of all runs so far, including those before this process resumed."""
        return sum(self._num_episodes)

    @property
    def num_env_steps(self) -> int:
        """Number of env steps made by this process, without those before it resumed."""
        return sum(self._num_env_steps) - self._num_env_steps_before

    def show(self, run: int, record: UpdateRecord) -> None:
        """Count and show an update of a run, if it is new."""
        if record.num_episodes <= self._num_episodes[run]:
            return
        self._num_env_steps[run] = record.num_env_steps
        self._num_episodes[run] = record.num_episodes
        now = time.monotonic()
        self._first = began, before = self._first or (now, self.num_env_steps)
        text = (
            f"run {run} (of {len(self._num_episodes)}) · {record.num_episodes:,} of "
            f"{self._episodes_per_run:,} episodes · mean return {number(record.mean_return)}"
        )
        if now > began:
            text += f" · {number((self.num_env_steps - before) / (now - began))} steps/s"
        self.bar.text, self.bar.count = text, self.num_episodes
