"""Scalars for TensorBoard while training runs; no stage reads them.

They are a result of the training, which DVC restores with the others. So they hold no times: equal
trainings write equal bytes.
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

from reinforce.records import UpdateRecord

FLUSH_SECONDS = 1.0  # maximum age of what is shown
NAME = "events.out.tfevents.0"  # TensorBoard looks for `tfevents` in it
MAX_POINTS = 1000  # of a run: more take time and space, and TensorBoard thins them itself
SCALARS = ("mean_return", "objective", "loss", "entropy", "gradient_norm", "value_loss")


class TensorBoardWriter:
    """Write a run's scalars over its env steps, in place of those of the last training.

    Event protocol buffers are written to the file directly: `tf.summary` takes 0.3 ms for an
    update, longer than many an update itself.

    Args:
        folder: Of the run.
        num_updates: How many updates the run has.
    """

    def __init__(self, folder: Path, num_updates: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._last = num_updates - 1
        self._stride = math.ceil(num_updates / MAX_POINTS)
        self._flushed = -math.inf
        self._path = folder / NAME
        self._writer = tf.io.TFRecordWriter(str(self._path))
        self._write(file_version="brain.Event:2")  # which readers ask for

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with _disk_errors(self._path):
            self._writer.close()

    def show(self, record: UpdateRecord) -> None:
        """Write one update, if it is one of those that are shown."""
        if record.update % self._stride == 0 or record.update == self._last:
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
    """Raise TensorFlow's errors of a file, of a full disk for instance, as OSError."""
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message.rpartition("; ")[2], str(path)) from error
