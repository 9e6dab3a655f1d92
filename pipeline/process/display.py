"""Rendering environments with or without a display."""

import os
import sys


def draw_offscreen() -> None:
    """Let environments render without a window.

    Call this before any environment is made: rendering libraries read the environment variables
    set here when they are imported.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # for pygame
    if not has_display():
        os.environ.setdefault("MUJOCO_GL", "egl")


def has_display() -> bool:
    """Return True if there is a screen that can show a window."""
    return sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
