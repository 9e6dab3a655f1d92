"""Recordings of an environment as an animated GIF."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pipeline.task.errors import UserError


class Limits(NamedTuple):
    """The limits of a recording."""

    max_frames: int = 1000  # 0.2 MB each in memory; 20 s at 50 frames per second
    max_seconds: float = math.inf
    max_size: tuple[int, int] = (480, 480)
    max_rate: float = 50  # frames per second; viewers slow down faster GIFs
    max_colors: int = 256


class Recording:
    """A recording that collects frames, scaled down and with reduced colors.

    If the environment's frame rate exceeds the limit, frames are dropped, so that the GIF plays at
    the environment's speed.

    Args:
        rate: The environment's frames per second, above 0.
        limits: The limits of the recording.
    """

    def __init__(self, rate: float, limits: Limits) -> None:
        self.rate = rate
        self.limits = limits
        self.stride = math.ceil(rate / limits.max_rate)
        self.frames: list[Image.Image] = []
        self.is_cut = False  # whether frames at the end were left out because of a limit
        self._num_offered = 0

    def offer(self, render: Callable[[], Any]) -> None:
        """Add the next frame if it is due; `render` is only called then.

        Raises:
            UserError: If `render` does not return a uint8 array `[height, width, 3]`.
        """
        due = self._num_offered % self.stride == 0
        self._num_offered += 1
        if due and not self._is_full:
            self.frames.append(self._reduced(_picture(render())))
        elif due:
            self.is_cut = True

    @property
    def _is_full(self) -> bool:
        num_frames = len(self.frames) + 1
        seconds = num_frames * self.stride / self.rate
        return num_frames > self.limits.max_frames or seconds > self.limits.max_seconds

    @property
    def durations(self) -> list[int]:
        """The duration of each frame in ms, multiples of 10 whose sum does not drift."""
        ends = [
            10 * round(100 * self.stride * (i + 1) / self.rate) for i in range(len(self.frames))
        ]
        return np.diff(ends, prepend=0).tolist()

    def halve(self) -> None:
        """Drop every second frame and show the others twice as long."""
        self.frames = self.frames[::2]
        self.stride *= 2

    def save(self, path: Path) -> None:
        """Write the GIF, which loops forever. The recording must have at least one frame."""
        first, *others = self.frames
        # Pillow accepts a list of durations only for several frames.
        durations = self.durations if others else self.durations[0]
        first.save(
            path,
            "GIF",
            save_all=True,
            append_images=others,
            duration=durations,
            loop=0,
            optimize=True,
        )

    def _reduced(self, picture: Image.Image) -> Image.Image:
        """Scale a frame to the size of the first one, and reduce its colors to a palette."""
        if self.frames:
            picture = picture.resize(self.frames[0].size)
        else:
            picture.thumbnail(self.limits.max_size)
        # Dithered frames are five times as large.
        return picture.quantize(self.limits.max_colors, dither=Image.Dither.NONE)


def _picture(frame: Any) -> Image.Image:
    if (
        isinstance(frame, np.ndarray)
        and frame.dtype == np.uint8
        and frame.ndim == 3
        and frame.shape[2] == 3
        and frame.size
    ):
        return Image.fromarray(frame)
    received = type(frame).__name__
    if isinstance(frame, np.ndarray):
        received = f"a {frame.dtype} array {list(frame.shape)}"
    raise UserError(
        f"expected render() to return a uint8 array [height, width, 3], received {received}"
    )
