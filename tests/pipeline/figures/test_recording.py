"""Recordings of frames as an animated GIF."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from pipeline.figures.recording import Limits, Recording
from pipeline.task.errors import UserError


def frame(value, shape=(40, 60)):
    return np.full((*shape, 3), value, np.uint8)


def record(rate, frames, **limits):
    recorded = Recording(rate, Limits(**limits))
    pictures = iter(frames)
    for _ in frames:
        recorded.offer(lambda: next(pictures))
    return recorded


def reread(recorded, path):
    """Write the GIF, read it back, and return its size and each frame's gray value and ms."""
    recorded.save(path)
    frames = []
    with Image.open(path) as image:
        assert image.format == "GIF"
        assert image.info["loop"] == 0  # forever
        for frame in ImageSequence.Iterator(image):
            frames.append((frame.convert("L").getpixel((0, 0)), frame.info["duration"]))
        return image.size, frames


def test_frames_keep_their_order_and_time(tmp_path):
    recorded = record(25, [frame(10), frame(90), frame(200)])
    size, frames = reread(recorded, tmp_path / "x.gif")
    assert size == (60, 40)
    assert frames == [(10, 40), (90, 40), (200, 40)]


def test_durations_are_tens_of_milliseconds_that_do_not_drift():
    # At 30 per second, frames end at 33.3, 66.7, 100, … ms: 30, 70, 100.
    assert record(30, [frame(0)] * 6).durations == [30, 40, 30, 30, 40, 30]


def test_frames_that_are_too_fast_are_dropped_and_not_rendered(tmp_path):
    # Of 120 frames per second every third is kept: 40 per second, 25 ms each. In tens, this is 20,
    # 30, … (halves round to even: 25 → 20, 50, 75 → 80, 100).
    values = iter(range(0, 200, 50))
    recorded = Recording(120, Limits())
    num_rendered = []
    for _ in range(10):
        recorded.offer(lambda: frame(next(values)))
        num_rendered.append(len(recorded.frames))
    assert num_rendered == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]
    assert reread(recorded, tmp_path / "x.gif")[1] == [(0, 20), (50, 30), (100, 30), (150, 20)]


def test_no_frame_is_shorter_than_viewers_support():
    for rate in (49.9, 50, 51, 60, 99, 100, 101, 240, 1000):
        assert min(record(rate, [frame(0)] * 200).durations) >= 20


@pytest.mark.parametrize(
    ("shape", "size"), [((1000, 600), (288, 480)), ((300, 960), (480, 150)), ((4, 7), (7, 4))]
)
def test_large_frames_are_scaled_down_and_small_ones_are_not(shape, size, tmp_path):
    recorded = record(10, [frame(5, shape)])
    assert recorded.frames[0].mode == "P"  # 256 colors: one byte per pixel in memory
    assert reread(recorded, tmp_path / "x.gif") == (size, [(5, 100)])


def test_later_frames_take_the_size_of_the_first(tmp_path):
    recorded = record(10, [frame(0), frame(200, (80, 80))])
    assert {image.size for image in recorded.frames} == {(60, 40)}
    assert reread(recorded, tmp_path / "x.gif") == ((60, 40), [(0, 100), (200, 100)])


@pytest.mark.parametrize("limits", [{"max_frames": 3}, {"max_seconds": 0.35}])
def test_frames_and_seconds_are_limited(limits):
    recorded = record(10, [frame(0)] * 3, **limits)
    assert not recorded.is_cut
    recorded.offer(lambda: pytest.fail("rendered"))
    assert recorded.is_cut
    assert len(recorded.frames) == 3


def test_rate_size_and_colors_are_limited():
    # 20 frames per second, limited to 10: every second frame. 100 grays become 8.
    gradient = np.broadcast_to(np.arange(100, dtype=np.uint8)[:, None, None], (100, 100, 3))
    recorded = record(20, [gradient] * 4, max_rate=10, max_size=(50, 50), max_colors=8)
    assert [image.size for image in recorded.frames] == [(50, 50)] * 2
    assert len(recorded.frames[0].getcolors()) == 8
    assert recorded.durations == [100, 100]


def test_halving_keeps_the_total_duration(tmp_path):
    recorded = record(10, [frame(value) for value in (0, 50, 100, 150, 200)])
    recorded.halve()
    assert reread(recorded, tmp_path / "x.gif")[1] == [(0, 200), (100, 200), (200, 200)]


def test_equal_frames_become_one_of_the_same_total_duration(tmp_path):
    assert reread(record(10, [frame(7)] * 5), tmp_path / "x.gif")[1] == [(7, 500)]


@pytest.mark.parametrize(
    ("picture", "received"),
    [
        (None, "NoneType"),
        ([frame(0)], "list"),
        (frame(0)[..., 0], r"a uint8 array \[40, 60\]"),
        (frame(0).astype(float), r"a float64 array \[40, 60, 3\]"),
        (frame(0, (0, 60)), r"a uint8 array \[0, 60, 3\]"),
    ],
)
def test_frames_that_are_not_pictures_are_refused(picture, received):
    with pytest.raises(
        UserError, match=f"expected render.. to return a uint8 array.*received {received}"
    ):
        record(10, [picture])
