"""Scalars that TensorBoard can show during training; no stage reads them.

They are an output of stage `train` that DVC tracks. So they hold no times: the same training always
writes the same bytes.
"""

import errno
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import tensorflow as tf
from tensorflow.core.framework.summary_pb2 import Summary
from tensorflow.core.util.event_pb2 import Event

from pipeline.task.schema import Budget
from reinforce.records import UpdateRecord

FLUSH_SECONDS = 1.0  # maximum delay until TensorBoard can show an update
NAME = "events.out.tfevents.0"  # TensorBoard looks for files with `tfevents` in their names
MAX_POINTS = 1000  # per run; more would cost time and space, and TensorBoard downsamples anyway
SCALARS = ("mean_return", "objective", "loss", "entropy", "gradient_norm", "value_loss")


class TensorBoardWriter:
    """A writer of a run's scalars over env steps; it replaces those of the previous training.

    It writes Event protocol buffers to the file directly, since `tf.summary` takes 0.3 ms per
    update, longer than many updates themselves.

    Args:
        folder: The run's folder.
        budget: How long the run trains.
    """

    def __init__(self, folder: Path, budget: Budget) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._budget = budget
        self._point: int | None = None  # the last one shown, numbered up to MAX_POINTS
        self._flushed = -math.inf
        self._path = folder / NAME
        self._writer = tf.io.TFRecordWriter(str(self._path))
        self._write(file_version="brain.Event:2")  # readers require it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with _disk_errors(self._path):
            self._writer.close()

    def show(self, record: UpdateRecord) -> None:
        """Write the scalars of an update, unless it is skipped to stay within `MAX_POINTS`."""
        point = MAX_POINTS * self._budget.spent(record) // self._budget.total
        if point != self._point:
            self._point = point
            values = [
                Summary.Value(tag=name, simple_value=getattr(record, name)) for name in SCALARS
            ]
            self._write(step=record.num_env_steps, summary=Summary(value=values))

    def _write(self, **fields: object) -> None:
        now = time.monotonic()
        with _disk_errors(self._path):
            self._writer.write(Event(**fields).SerializeToString())
            if now - self._flushed >= FLUSH_SECONDS:
                self._writer.flush()
                self._flushed = now


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Convert TensorFlow's file errors, such as a full disk, to OSError."""
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message.rpartition("; ")[2], str(path)) from error
