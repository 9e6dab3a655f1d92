"""A panel: one pair of axes, which a picture has beside others and the report's page alone."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes


class Panel(NamedTuple):
    """A panel: the drawing on one pair of axes."""

    title: str  # what is drawn over what: "Entropy over training episodes"
    summary: str  # its numbers, in a sentence for those who do not see it
    draw: Callable[[Axes], Sequence[Artist]]  # returns what a legend names
    limits: tuple[float | None, float | None] = (None, None)  # of y; None: where the data end
    needs_legend: bool = False  # else `Part.note` says what its lines are


class Part(NamedTuple):
    """Panels that are shown together."""

    panels: list[Panel]
    note: str  # what a reader of any of them has to know
    shares_y: bool = True
    title: str = ""  # of all of them, where those of the panels would repeat it
