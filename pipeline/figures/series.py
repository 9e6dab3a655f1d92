"""From the columns of a table to what is drawn: series per run, smoothed, thinned or binned.

R is the number of runs, U the number of points of each.
"""

import re

import numpy as np
from numpy.typing import NDArray

from pipeline.task.artifacts import Table

# A line of 900 pixels shows no more.
MAX_POINTS = 300
MAX_BINS = 20


def numbers(table: Table, name: str, *, finite: bool = True) -> NDArray[np.float64]:
    """One column, [rows].

    Raises:
        ValueError: where there is no such column, or it holds anything but numbers, which must be
            finite unless told otherwise.
    """
    if name not in table:
        raise ValueError(f"expected a column {name}, received {', '.join(table)}")
    values = table[name]
    if values.dtype.kind not in "iuf" or (finite and not np.isfinite(values).all()):
        kind = "finite numbers" if finite else "numbers"
        raise ValueError(f"expected {kind} in column {name}, received others")
    return values.astype(np.float64)


def by_run(table: Table, name: str) -> NDArray[np.float64]:
    """One column with a row for each run, [R, U], runs and their points in the table's order.

    Raises:
        ValueError: as `numbers`, and where runs have different numbers of points.
    """
    values = numbers(table, name)
    runs, counts = np.unique(numbers(table, "run"), return_counts=True)
    if len(set(counts)) != 1:
        received = ", ".join(
            f"{count} of run {run:.0f}" for run, count in zip(runs, counts, strict=True)
        )
        raise ValueError(f"expected as many rows of every run, received {received or 'none'}")
    return np.stack([values[table["run"] == run] for run in runs])


def numbered(table: Table, prefix: str, count: int = 1) -> list[str]:
    """The names of the columns `<prefix>_0`, `<prefix>_1`, …, in the order of their numbers.

    Args:
        table: the table.
        prefix: what stands before the numbers.
        count: how many numbers a name has; 2 gives `<prefix>_0_0`, `<prefix>_0_1`, ….
    """
    names = [name for name in table if re.fullmatch(rf"{prefix}(_-?\d+){{{count}}}", name)]
    return sorted(names, key=lambda name: numbers_of(name, count))


def numbers_of(name: str, count: int) -> tuple[int, ...]:
    """The last `count` numbers of a column's name: 2 of `probability_1_10` are 1 and 10."""
    return tuple(int(part) for part in name.rsplit("_", count)[1:])


def moving_average(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The mean of each point and the `window` − 1 before it: [R, U] gives [R, U − window + 1]."""
    return np.lib.stride_tricks.sliding_window_view(values, window, axis=-1).mean(axis=-1)


def thinned(num_points: int) -> NDArray[np.intp]:
    """The indices of at most `MAX_POINTS` of `num_points`, evenly spread, both ends included."""
    return np.linspace(0, num_points - 1, min(num_points, MAX_POINTS)).round().astype(np.intp)


def on_common_x(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every run's curve at the same x, interpolated where runs have different ones.

    Args:
        x: [R, U], ascending along each run.
        y: [R, U].

    Returns:
        x: [U], over the range that all runs cover, empty where there is none.
        y: [R, U], at that x.
    """
    if (x == x[0]).all():
        return x[0], y
    low, high = x[:, 0].max(), x[:, -1].min()
    common = np.linspace(low, high, x.shape[1]) if low < high else np.empty(0)
    return common, np.stack([np.interp(common, *run) for run in zip(x, y, strict=True)])


def binned_means(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The means of x and of y over at most 20 bins of x with about as many points each.

    Where x takes few values each is a bin of its own, so that discrete observations are not mixed.

    Args:
        x: [N].
        y: [N].

    Returns:
        Both means, [number of bins], x ascending.
    """
    edges = np.unique(x)
    if len(edges) > MAX_BINS:
        num_bins = max(2, min(len(x) // 20, MAX_BINS))
        edges = np.unique(np.quantile(x, np.linspace(0, 1, num_bins + 1)))[:-1]
    bins = np.searchsorted(edges, x, side="right") - 1
    counts = np.bincount(bins)
    filled = counts > 0
    mean_x, mean_y = (np.bincount(bins, weights=v)[filled] / counts[filled] for v in (x, y))
    return mean_x, mean_y
