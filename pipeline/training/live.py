"""What training shows while it runs, for `tensorboard --logdir logs`; no stage reads it."""

import math
import shutil
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.reinforce.records import UpdateRecord
from pipeline.training.events import EventFile

LOGS = Path("logs")
MAX_POINTS = 1000  # of a run: more take time and space, and TensorBoard thins them itself
SCALARS = ("mean_return", "objective", "loss", "entropy", "gradient_norm", "value_loss")


class Live:
    """Writes each run's scalars over its env steps, in place of those of the last training.

    Args:
        folder: Of the task; each run has a folder in it.
        num_runs: How many runs there are.
        num_updates: Of each.
    """

    def __init__(self, folder: Path, num_runs: int, num_updates: int) -> None:
        self._folder, self._num_runs = folder, num_runs
        self._last = num_updates - 1
        self._stride = math.ceil(num_updates / MAX_POINTS)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._files = [
            self._open.enter_context(EventFile(self._folder / f"run-{run}"))
            for run in range(self._num_runs)
        ]
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._open.close()

    def show(self, run: int, record: UpdateRecord) -> None:
        """Writes one update of a run, if it is one of those that are shown."""
        if record.update % self._stride == 0 or record.update == self._last:
            values = {name: getattr(record, name) for name in SCALARS}
            self._files[run].add(record.num_env_steps, values)
