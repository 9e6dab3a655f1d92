"""Scalars for TensorBoard, read back by TensorFlow's own reader."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline.runs import tensorboard
from pipeline.runs.tensorboard import SCALARS, TensorBoardWriter
from pipeline.task.schema import Budget
from reinforce.records import UpdateRecord


def read(folder):
    """Read the events of the only file in a folder; TensorFlow checks lengths and checksums."""
    (path,) = folder.iterdir()
    assert "tfevents" in path.name
    return list(tf.compat.v1.train.summary_iterator(str(path)))


def budget(num_updates):
    return Budget("num_episodes", 4 * num_updates)


def record(update, mean_return):
    return UpdateRecord(
        update, 4 * (update + 1), 100 * update, mean_return, 2, 3, 4, 5, 6, np.zeros(2)
    )


def test_a_run_has_its_scalars_over_env_steps(tmp_path):
    with TensorBoardWriter(tmp_path / "run", budget(3)) as scalars:
        for update in range(3):
            scalars.show(record(update, 10 + update))
    version, *shown = read(tmp_path / "run")
    assert version.file_version == "brain.Event:2"
    assert [event.step for event in shown] == [0, 100, 200]
    assert all(
        event.wall_time == 0 for event in [version, *shown]
    )  # so that bytes are reproducible
    values = [{scalar.tag: scalar.simple_value for scalar in e.summary.value} for e in shown]
    assert values[1] == dict(zip(SCALARS, (11, 2, 3, 4, 5, 6), strict=True))


def test_scalars_can_be_read_while_training_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "FLUSH_SECONDS", 0.0)
    with TensorBoardWriter(tmp_path, budget(2)) as scalars:
        scalars.show(record(0, 1))
        assert len(read(tmp_path)) == 2


def test_the_next_training_replaces_the_scalars(tmp_path):
    for mean_return in (1, 2):
        with TensorBoardWriter(tmp_path, budget(1)) as scalars:
            scalars.show(record(0, mean_return))
    _, only = read(tmp_path)
    assert only.summary.value[0].simple_value == 2


def test_a_long_training_is_thinned_and_its_end_is_shown(tmp_path):
    with TensorBoardWriter(tmp_path, budget(2_501)) as scalars:
        for update in range(2_501):
            scalars.show(record(update, 0))
    _, *shown = read(tmp_path)
    updates = [event.step // 100 for event in shown]
    assert (updates[0], updates[-1], len(updates)) == (0, 2_500, 1_001)
    assert set(np.diff(updates)) == {2, 3}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to Linux's /dev/full")
def test_a_full_disk_is_an_error_of_the_file(tmp_path, monkeypatch):
    writer = tf.io.TFRecordWriter("/dev/full")
    monkeypatch.setattr(tf.io, "TFRecordWriter", lambda path: writer)
    with pytest.raises(OSError, match="No space left on device") as error:
        TensorBoardWriter(tmp_path, budget(1))
    assert error.value.filename == str(tmp_path / tensorboard.NAME)
