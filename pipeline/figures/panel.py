"""Panels: single plots, combined in a PNG picture and shown separately on the report's page."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes


class Panel(NamedTuple):
    """A plot on one pair of axes."""

    title: str  # such as "Entropy over training episodes"
    summary: str  # its numbers in sentences, for readers who cannot see it
    draw: Callable[[Axes], Sequence[Artist]]  # returns the artists for a legend
    limits: tuple[float | None, float | None] = (None, None)  # of y; None: fitted to the data
    needs_legend: bool = False  # if not, `Part.note` explains its lines


class Part(NamedTuple):
    """Panels that are shown together."""

    panels: list[Panel]
    note: str  # explains all panels
    shares_y: bool = True
    title: str = ""  # one title for all, if the panels' own would repeat it
