"""Statistics over independent runs: the interquartile mean and its bootstrap interval.

R is the number of runs and U the number of points of a curve (updates, or a grid of env steps).
The bootstrap resamples runs because they are independent: the episodes of one run share its policy.

Source: Agarwal, Schwarzer, Castro, Courville & Bellemare (2021), "Deep Reinforcement Learning at
the Edge of the Statistical Precipice", section 4.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
NUM_RESAMPLES = 2_000
# With this many runs or more, the interval of a difference has about its nominal coverage.
MIN_RUNS = 4
# Fixed, so that the same values give the same interval to the last bit in any process.
SEED = 0
# Resamples are drawn in batches of about this many numbers (4 MB). Larger batches exceed the cache
# and were slower. The batch size does not change the result.
BATCH_ELEMENTS = 500_000

# A number for values [R]; one per point for values [R, U].
Statistic = np.float64 | NDArray[np.float64]


class Interval(NamedTuple):
    """The ends of a confidence interval, each a number or [U]."""

    low: Statistic
    high: Statistic


def interquartile_mean(values: ArrayLike) -> Statistic:
    """Return the mean over runs without the lowest and the highest quarter of them.

    ⌊R / 4⌋ runs are left out at each end, so up to three runs give their plain mean.

    Args:
        values: [R] or [R, U], one row per run.

    Returns:
        A number, or [U].

    Raises:
        ValueError: If there are no runs, or a value is not finite.
    """
    return _interquartile_mean(_checked(values), axis=0)


def bootstrap_interval(values: ArrayLike) -> Interval | None:
    """Return the 95% percentile-bootstrap interval of the interquartile mean over runs.

    Each column of [R, U] has its own interval, computed from the same resamples of runs. The result
    is a pointwise interval, not a band for the curve as a whole.

    With few runs the interval is too narrow, as percentile-bootstrap intervals are (Hesterberg
    2015). For runs from one normal distribution, it contains the mean in 75% of cases with 3 runs,
    in 89% with 5, in 93% with 10 and in 95% with 20 (`tests/pipeline/test_statistics.py`).

    Args:
        values: [R] or [R, U], one row per run.

    Returns:
        The interval, or None for a single run, which shows no spread between runs.

    Raises:
        ValueError: If there are no runs, or a value is not finite.
    """
    checked = _checked(values)
    if len(checked) == 1:
        return None
    return _percentile_interval((checked,), _interquartile_mean)


def difference_interval(first: ArrayLike, second: ArrayLike) -> Interval | None:
    """Return the 95% percentile-bootstrap interval of a difference of interquartile means.

    The runs of the two sides are resampled independently. If both sides use the same random
    streams, their returns are positively correlated, and the interval is too wide rather than too
    narrow.

    With few runs the interval is too narrow, as percentile-bootstrap intervals are (Hesterberg
    2015, "What Teachers Should Know About the Bootstrap"). If all runs come from one normal
    distribution, it excludes 0 in 33% of cases with 2 runs a side, in 19% with 3, but in 5 to 7%
    with 4 or more (see `MIN_RUNS`).

    Args:
        first: [R₁] or [R₁, U], one row per run.
        second: [R₂] or [R₂, U], one row per run.

    Returns:
        The interval of second − first, or None if either side has a single run.

    Raises:
        ValueError: If either side has no runs, or a value is not finite.
    """
    samples = (_checked(first), _checked(second))
    if min(map(len, samples)) == 1:
        return None
    return _percentile_interval(samples, _interquartile_mean_difference)


def _percentile_interval(
    samples: tuple[NDArray[np.float64], ...], statistic: Callable[..., Statistic]
) -> Interval:
    # SciPy's default, the bias-corrected and accelerated interval (BCa), is NaN if all values are
    # equal, as they are for a solved task.
    from scipy import stats  # here, because it takes a second and not all importers need it

    interval = stats.bootstrap(
        samples,
        statistic,
        n_resamples=NUM_RESAMPLES,
        batch=max(1, BATCH_ELEMENTS // sum(sample.size for sample in samples)),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(interval.low, interval.high)


def _interquartile_mean_difference(
    first: NDArray[np.float64], second: NDArray[np.float64], axis: int
) -> Statistic:
    return _interquartile_mean(second, axis) - _interquartile_mean(first, axis)


def _interquartile_mean(values: NDArray[np.float64], axis: int) -> Statistic:
    from scipy import stats

    mean = stats.trim_mean(values, 0.25, axis=axis)
    # Rounding can push a mean of equal numbers past them: (0.1 + 0.1 + 0.1) / 3 > 0.1.
    return np.clip(mean, values.min(axis=axis), values.max(axis=axis))


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    checked = np.asarray(values, dtype=np.float64)
    if checked.ndim not in (1, 2) or checked.size == 0:
        raise ValueError(
            "Received an invalid shape for `values`, expected [R] or [R, U] with at least one run. "
            f"Received: shape={checked.shape}"
        )
    if not np.isfinite(checked).all():
        raise ValueError(
            "Received invalid `values`, expected finite numbers. "
            f"Received: {np.count_nonzero(~np.isfinite(checked))} of {checked.size} not finite"
        )
    return checked
