"""Series that are drawn from the columns of a table: per run, smoothed, thinned or binned.

R is the number of runs, U the number of points per run.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.task.artifacts import Table

# A line in a picture of 900 pixels shows no more.
MAX_POINTS = 300
MAX_BINS = 20


def numbers(table: Table, name: str, *, finite: bool = True) -> NDArray[np.float64]:
    """Return one column of numbers, `[rows]`.

    Raises:
        ValueError: If there is no such column, or if it holds anything but numbers, finite ones
            unless `finite` is False.
    """
    if name not in table:
        raise ValueError(f"expected a column {name}, received {', '.join(table)}")
    values = table[name]
    if values.dtype.kind not in "iuf" or (finite and not np.isfinite(values).all()):
        kind = "finite numbers" if finite else "numbers"
        raise ValueError(f"expected {kind} in column {name}, received other values")
    return values.astype(np.float64)


def split_runs(table: Table, name: str) -> list[NDArray[np.float64]]:
    """Return one column of each run, `[number of points]`, with points in the table's order.

    Raises:
        ValueError: As in `numbers`, and if there is no run.
    """
    values, runs = numbers(table, name), np.unique(numbers(table, "run"))
    if not runs.size:
        raise ValueError("expected one or more runs, received none")
    return [values[table["run"] == run] for run in runs]


def by_run(table: Table, name: str) -> NDArray[np.float64]:
    """Return one column with a row for each run, `[R, U]`, with points in the table's order.

    Raises:
        ValueError: As in `split_runs`, and if runs have different numbers of points.
    """
    runs = split_runs(table, name)
    if len(set(map(len, runs))) != 1:
        received = ", ".join(f"{len(values)} for run {run}" for run, values in enumerate(runs))
        raise ValueError(f"expected the same number of rows for every run, received {received}")
    return np.stack(runs)


def continued(runs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Stack runs, `[R, U]`; those with fewer points are continued with their last value.

    Runs that train for a number of env steps differ in their numbers of updates.
    """
    num_points = max(map(len, runs))
    return np.stack([np.pad(values, (0, num_points - len(values)), "edge") for values in runs])


def numbered(table: Table, prefix: str, count: int = 1) -> list[str]:
    """List the columns `<prefix>_0`, `<prefix>_1`, … in the order of their numbers.

    Args:
        table: The table.
        prefix: The part of the name before the numbers.
        count: The number of numbers in a name; 2 gives `<prefix>_0_0`, `<prefix>_0_1`, ….
    """
    names = [name for name in table if re.fullmatch(rf"{prefix}(_-?\d+){{{count}}}", name)]
    return sorted(names, key=lambda name: numbers_of(name, count))


def numbers_of(name: str, count: int) -> tuple[int, ...]:
    """Return the last `count` numbers in a column's name: (1, 10) for `probability_1_10` and 2."""
    return tuple(int(part) for part in name.rsplit("_", count)[1:])


def moving_average(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Average each point with the `window` − 1 before it: `[R, U]` → `[R, U − window + 1]`."""
    return np.lib.stride_tricks.sliding_window_view(values, window, axis=-1).mean(axis=-1)


def thinned(num_points: int) -> NDArray[np.intp]:
    """Return at most `MAX_POINTS` indices of `num_points`, evenly spaced, both ends included."""
    return np.linspace(0, num_points - 1, min(num_points, MAX_POINTS)).round().astype(np.intp)


def on_common_x(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return every run's curve at the same x, interpolated if the runs' x differ.

    Args:
        x: `[R, U]`, ascending along each run.
        y: `[R, U]`.

    Returns:
        x: `[U]`, over the range that all runs cover; empty if there is none.
        y: `[R, U]`, at that x.
    """
    if (x == x[0]).all():
        return x[0], y
    low, high = x[:, 0].max(), x[:, -1].min()
    common = np.linspace(low, high, x.shape[1]) if low < high else np.empty(0)
    return common, np.stack([np.interp(common, *run) for run in zip(x, y, strict=True)])


def binned_means(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of x and y over at most 20 bins of x, with about as many points in each.

    If x takes few values, each value is a separate bin, so discrete observations are not mixed.

    Args:
        x: `[N]`.
        y: `[N]`.

    Returns:
        Both means, `[number of bins]`, with x ascending.
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
