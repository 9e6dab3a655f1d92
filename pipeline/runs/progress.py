"""The progress of a training on the terminal."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tqdm import tqdm

from pipeline.process.interruption import own_stderr, say
from pipeline.runs.checkpoints import RunCheckpoint
from pipeline.task.task import Task
from pipeline.wording import number
from reinforce.records import UpdateRecord

SECONDS = 0.5  # between two looks of the bar
SECONDS_OF_LINES = 30.0  # between two lines, where the standard error is not a terminal


class Progress:
    """A bar that counts episodes, or now and then a line; drawn by a thread while others compute.

    Args:
        task: What is trained.
        saved: How far each run has come already.
    """

    def __init__(self, task: Task, saved: Sequence[RunCheckpoint | None]) -> None:
        last = [checkpoint.records[-1] if checkpoint else None for checkpoint in saved]
        self._num_episodes = [record.num_episodes if record else 0 for record in last]
        self._num_env_steps = [record.num_env_steps if record else 0 for record in last]
        self._num_env_steps_before = sum(self._num_env_steps)
        self._of_each = task.params.train.num_episodes
        self._name = task.name
        self._text = "compiling" if task.is_compiled else "starting"
        self._first: tuple[float, int] | None = None  # when an update was shown, and its env steps
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def __enter__(self) -> Self:
        self._stderr = own_stderr()
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._stderr.close()

    def __str__(self) -> str:
        runs = f"{len(self._num_episodes)} × " if len(self._num_episodes) > 1 else ""
        return f"{sum(self._num_episodes):,} of {runs}{self._of_each:,} episodes"

    @property
    def num_env_steps(self) -> int:
        """Env steps that this process has trained with."""
        return sum(self._num_env_steps) - self._num_env_steps_before

    def show(self, run: int, record: UpdateRecord) -> None:
        """Count an update of a run, if it is new."""
        if record.num_episodes <= self._num_episodes[run]:
            return
        self._num_env_steps[run] = record.num_env_steps
        self._num_episodes[run] = record.num_episodes
        now = time.monotonic()
        self._first = began, before = self._first or (now, self.num_env_steps)
        self._text = (
            f"run {run + 1} of {len(self._num_episodes)} · {record.num_episodes:,} of "
            f"{self._of_each:,} episodes · mean return {number(record.mean_return)}"
        )
        if now > began:
            self._text += f" · {number((self.num_env_steps - before) / (now - began))} steps/s"

    def _draw(self) -> None:
        if not self._stderr.isatty():
            while not self._ended.wait(SECONDS_OF_LINES):
                say(f"{self._name}: {self._text}", self._stderr)
            return
        with tqdm(
            desc=self._text,
            total=len(self._num_episodes) * self._of_each,
            initial=sum(self._num_episodes),
            bar_format="{percentage:3.0f}%|{bar:10}| {desc} · {elapsed}<{remaining}",
            dynamic_ncols=True,
            file=self._stderr,
        ) as bar:
            ended = False
            while not ended:
                ended = self._ended.wait(SECONDS)
                bar.n = sum(self._num_episodes)
                bar.set_description_str(self._text)
