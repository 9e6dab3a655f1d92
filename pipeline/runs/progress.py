"""The progress of training, shown on the terminal."""

import time
from collections.abc import Sequence

from pipeline.formatting import number
from pipeline.progress_bar import ProgressBar
from pipeline.runs.checkpoints import RunCheckpoint
from pipeline.task.task import Task
from reinforce.records import UpdateRecord


class Progress:
    """The episodes or env steps of all runs so far, and the last update; `bar` shows both.

    Args:
        task: The task that is trained.
        saved: The checkpoint that each run resumes from, if any.
    """

    def __init__(self, task: Task, saved: Sequence[RunCheckpoint | None]) -> None:
        last = [checkpoint.records[-1] if checkpoint else None for checkpoint in saved]
        self._budget = task.params.train.budget
        self._spent = [self._budget.spent(record) if record else 0 for record in last]
        self._num_env_steps = [record.num_env_steps if record else 0 for record in last]
        self._num_env_steps_before = sum(self._num_env_steps)
        self._first: tuple[float, int] | None = None  # time and env steps of the first update
        self.bar = ProgressBar(
            task.name,
            "compiling" if task.is_compiled else "starting",
            len(saved) * self._budget.total,
            self.spent,
        )

    def __str__(self) -> str:
        num_runs, budget = len(self._spent), self._budget
        runs = f" ({num_runs} runs)" if num_runs > 1 else ""
        return f"{self.spent:,} of {num_runs * budget.total:,} {budget.noun}{runs}"

    @property
    def spent(self) -> int:
        """The budget that all runs have spent, including before this process resumed."""
        return sum(self._spent)

    @property
    def num_env_steps(self) -> int:
        """Number of env steps made by this process, without those before it resumed."""
        return sum(self._num_env_steps) - self._num_env_steps_before

    def show(self, run: int, record: UpdateRecord) -> None:
        """Count and show an update of a run, if it is new."""
        if record.num_env_steps <= self._num_env_steps[run]:
            return
        budget = self._budget
        self._num_env_steps[run] = record.num_env_steps
        self._spent[run] = budget.spent(record)
        now = time.monotonic()
        self._first = began, before = self._first or (now, self.num_env_steps)
        text = (
            f"run {run} (of {len(self._spent)}) · {self._spent[run]:,} of {budget.total:,} "
            f"{budget.noun} · mean return {number(record.mean_return)}"
        )
        if now > began:
            text += f" · {number((self.num_env_steps - before) / (now - began))} steps/s"
        self.bar.text, self.bar.count = text, self.spent
