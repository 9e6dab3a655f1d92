"""Pictures of an environment as an animated GIF."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import UserError

MAX_FRAMES = 1000  # of 0.2 MB each while they are collected: 20 s at 50 frames a second
MAX_SIZE = (480, 480)
MAX_RATE = 50  # frames a second; programs slow down what is faster


class Recording:
    """Collects pictures, scaled down and reduced to 256 colours, as they come.

    Where the environment is faster than a GIF can be, pictures are dropped, so that it is shown at
    its own speed. After `MAX_FRAMES` no more are taken.

    Args:
        rate: Pictures a second, as the environment has them, above 0.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.stride = math.ceil(rate / MAX_RATE)
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
        if due and len(self.frames) < MAX_FRAMES:
            self.frames.append(self._reduced(_picture(render())))
        elif due:
            self.is_cut = True

    @property
    def durations(self) -> list[int]:
        """How long each frame is shown, in ms: multiples of 10, without drifting off."""
        ends = [
            10 * round(100 * self.stride * (place + 1) / self.rate)
            for place in range(len(self.frames))
        ]
        return np.diff(ends, prepend=0).tolist()

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
        """At most `MAX_SIZE`, as large as the first, and in its own 256 colours."""
        if self.frames:
            picture = picture.resize(self.frames[0].size)
        else:
            picture.thumbnail(MAX_SIZE)
        return picture.quantize(dither=Image.Dither.NONE)  # dithered frames are five times as large


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
