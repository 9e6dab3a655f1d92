"""Pictures of an environment as an animated GIF."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pipeline.task.errors import UserError


class Limits(NamedTuple):
    """The limits of a recording."""

    max_frames: int = 1000  # of 0.2 MB each while they are collected: 20 s at 50 frames a second
    max_seconds: float = math.inf
    max_size: tuple[int, int] = (480, 480)
    max_rate: float = 50  # frames a second; programs slow down what is faster
    max_colors: int = 256


class Recording:
    """Collects pictures, scaled down and reduced in colours, as they come.

    Where the environment is faster than the recording may be, pictures are dropped, so that it is
    shown at its own speed.

    Args:
        rate: Pictures a second, as the environment has them, above 0.
        limits: After how many frames no more are taken, and so on.
    """

    def __init__(self, rate: float, limits: Limits) -> None:
        self.rate = rate
        self.limits = limits
        self.stride = math.ceil(rate / limits.max_rate)
        self.frames: list[Image.Image] = []
        self.is_cut = False  # whether a picture was left out because there were too many
        self._num_offered = 0

    def offer(self, render: Callable[[], Any]) -> None:
        """Takes the next picture if it is one to be kept; `render` is called only then.

        Raises:
            UserError: If `render` gives no picture of `[height, width, 3]` bytes.
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
        """The duration of each frame in ms: multiples of 10, without drifting off."""
        ends = [
            10 * round(100 * self.stride * (place + 1) / self.rate)
            for place in range(len(self.frames))
        ]
        return np.diff(ends, prepend=0).tolist()

    def halve(self) -> None:
        """Drops every second frame; the others are shown twice as long."""
        self.frames = self.frames[::2]
        self.stride *= 2

    def save(self, path: Path) -> None:
        """Writes the GIF, which repeats for ever; at least one picture has been taken."""
        first, *others = self.frames
        # Pillow takes a list of durations only where there are several frames.
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
        """Not too large, as large as the first, and in its own colours."""
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
        received = f"an array {list(frame.shape)} of {frame.dtype}"
    raise UserError(
        f"expected render() to give an array [height, width, 3] of uint8, received {received}"
    )
