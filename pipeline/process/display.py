"""The display, or none: how environments draw in this process."""

import os
import sys


def draw_offscreen() -> None:
    """Let environments draw without a window.

    Sets environment variables that the libraries that draw read when they are imported: call this
    before an environment is made.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame's: needs no window
    if not has_display():
        os.environ.setdefault("MUJOCO_GL", "egl")


def has_display() -> bool:
    """Tell whether there is a screen to show a window on."""
    return sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
