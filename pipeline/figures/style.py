"""The common style of all pictures, and their conversion to PNG."""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter, MaxNLocator

WIDTH = 9.0  # inches, at 100 dots per inch: 900 pixels, which a README shows unscaled

# Okabe & Ito (2008), distinguishable by color-blind readers; without yellow, too faint on white.
# Line styles repeat the distinction in grayscale.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))

FAINT: dict[str, Any] = {"alpha": 0.3, "linewidth": 0.8}
# A white edge separates a line from the lines it crosses.
BOLD: dict[str, Any] = {
    "linewidth": 2.2,
    "zorder": 3,
    "path_effects": [withStroke(linewidth=4, foreground="white", alpha=0.8)],
}
BAND: dict[str, Any] = {"alpha": 0.25, "linewidth": 1}

_RC = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "figure.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.formatter.useoffset": False,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}

# A decorator for functions that draw. It starts from Matplotlib's defaults, so that the user's
# matplotlibrc does not change the pictures, and restores the settings afterwards.
styled = style.context(["default", _RC])


def new_figure(height: float, title: str) -> Figure:
    """Create a figure of the common width, `height` inches high.

    The figure is independent of pyplot: it needs no window, is drawn by Agg on every machine, and
    is freed with its last reference.
    """
    figure = Figure(figsize=(WIDTH, height))
    figure.suptitle(title, fontweight="bold")
    return figure


def plural(count: int, noun: str) -> str:
    """Return `1 run` or `5 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def count_axis(axes: Axes, label: str) -> None:
    """Label the x-axis and give it integer ticks, with large ones written as 20k or 3M."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def legend_below(
    figure: Figure | SubFigure, handles: Sequence[Artist], max_columns: int = 4
) -> None:
    """Add one legend under all panels, where it hides no data."""
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), max_columns))


@styled
def png(figure: Figure) -> bytes:
    """Return the figure as a PNG. Equal figures give equal bytes."""
    buffer = io.BytesIO()
    # By default, Matplotlib would write its version.
    figure.savefig(buffer, format="png", dpi=figure.dpi, metadata={"Software": None})
    return buffer.getvalue()
