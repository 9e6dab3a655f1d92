"""Scalars for TensorBoard, read back by TensorFlow's own reader."""

import math
import struct
import time

import numpy as np
import pytest
import tensorflow as tf

from pipeline.reinforce.records import UpdateRecord
from pipeline.training import events
from pipeline.training.events import EventFile
from pipeline.training.live import SCALARS, Live


def read(folder):
    """The events of the only file in a folder; TensorFlow checks lengths and checksums."""
    (path,) = folder.iterdir()
    assert "tfevents" in path.name
    return list(tf.compat.v1.train.summary_iterator(str(path)))


def record(update, mean_return):
    return UpdateRecord(update, 4 * update, 100 * update, mean_return, 2, 3, 4, 5, 6, np.zeros(2))


@pytest.mark.parametrize("step", [0, 1, 127, 128, 16_384, 2**31, 2**40])
@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, 0.0), (-1.5, -1.5), (0.1, np.float32(0.1)), (1e300, math.inf), (math.nan, math.nan)],
)
def test_what_is_written_is_what_tensorflow_reads(step, value, expected, tmp_path):
    started = time.time()
    with EventFile(tmp_path) as file:
        file.add(step, {"mean_return": value, "größe": 7.0})
    version, event = read(tmp_path)
    assert version.file_version == "brain.Event:2"
    assert event.step == step
    assert started <= event.wall_time <= time.time()
    assert [scalar.tag for scalar in event.summary.value] == ["mean_return", "größe"]
    first, second = (scalar.simple_value for scalar in event.summary.value)
    np.testing.assert_equal(first, expected)
    assert second == 7


def test_the_checksum_is_that_of_crc32c():
    # The check value of CRC-32C, of the digits 1 to 9; masked as TFRecord has it.
    crc = 0xE3069283
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    assert events._masked_crc(b"123456789") == struct.pack("<I", masked)


def test_it_can_be_read_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "FLUSH_SECONDS", 0.0)
    with EventFile(tmp_path) as file:
        file.add(1, {"loss": 1.0})
        assert len(read(tmp_path)) == 2


def test_each_run_has_its_scalars_over_env_steps(tmp_path):
    with Live(tmp_path / "task", num_runs=2, num_updates=3) as live:
        for update in range(3):
            live.show(0, record(update, 10 + update))
        live.show(1, record(0, 20))
    assert {path.name for path in (tmp_path / "task").iterdir()} == {"run-0", "run-1"}
    _, *shown = read(tmp_path / "task" / "run-0")
    assert [event.step for event in shown] == [0, 100, 200]
    values = [{scalar.tag: scalar.simple_value for scalar in e.summary.value} for e in shown]
    assert values[1] == dict(zip(SCALARS, (11, 2, 3, 4, 5, 6), strict=True))
    _, only = read(tmp_path / "task" / "run-1")
    assert only.summary.value[0].simple_value == 20


def test_the_next_training_replaces_them(tmp_path):
    with Live(tmp_path, num_runs=3, num_updates=1) as live:
        live.show(2, record(0, 1))
    with Live(tmp_path, num_runs=1, num_updates=1):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["run-0"]


def test_a_long_training_is_thinned_and_its_end_is_shown(tmp_path):
    with Live(tmp_path, num_runs=1, num_updates=2_501) as live:
        for update in range(2_501):
            live.show(0, record(update, 0))
    _, *shown = read(tmp_path / "run-0")
    assert [event.step // 100 for event in shown] == [*range(0, 2_501, 3), 2_500]
