"""The noise of a gradient estimate: its variance, and its signal beside it.

From K independent estimates ĝ_k of each of R policies, `[R, K, P]`, only their inner products are
needed, the Gram matrices `[R, K, K]`. What is said of several policies is the mean over them.

Nothing here multiplies an estimate with itself, where its noise would count as signal: products
are those of different batches.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class SampleMoments(NamedTuple):
    """The first two moments of ĝ, each a mean over policies; numbers, or one for each resample."""

    squared_norm: Array  # ‖E ĝ‖²; unbiased, and so below 0 at times where the signal is small
    total_variance: Array  # E‖ĝ − E ĝ‖², the trace of the covariance; unbiased, never below 0


class Estimate(NamedTuple):
    """A statistic and both ends of its interval. NaN: undefined; ±∞: there is no bound."""

    value: float
    low: float
    high: float


class Noise(NamedTuple):
    """The noise of the estimator with one baseline."""

    squared_norm: Estimate  # ‖E ĝ‖², from this baseline's own estimates
    total_variance: Estimate  # tr Cov ĝ
    relative_variance: Estimate  # tr Cov ĝ, that of the first baseline being 1
    signal_to_noise: Estimate  # ‖E ĝ‖ / √(tr Cov ĝ); 0 where ‖E ĝ‖² < 0, NaN where tr Cov ĝ = 0
    num_batches_for_1: Estimate  # how many, averaged, have a signal-to-noise ratio of 1


LOWEST = (-np.inf, 0.0, 0.0, 0.0, 0.0)  # that each can be


def gram_matrix(gradients: NDArray[np.floating]) -> Array:
    """Inner products of K estimates `[K, P]`, in float64: `[K, K]`."""
    exact = gradients.astype(np.float64)
    return exact @ exact.T


def sample_moments(gram: Array, counts: NDArray[np.integer] | None = None) -> SampleMoments:
    """Unbiased estimates of ‖E ĝ‖² and tr Cov ĝ.

    ‖E ĝ‖² = E ĝ_k·ĝ_l and tr Cov ĝ = ½ E‖ĝ_k − ĝ_l‖² for independent ĝ_k and ĝ_l: the estimates
    are the means over all pairs of different batches (U-statistics). Of resamples, too, only pairs
    of different batches count: a batch and its own copy are not independent.

    Args:
        gram: `[R, K, K]`, K ≥ 2.
        counts: How often each batch is in each of N resamples, `[N, R, K]`. Defaults to once.

    Returns:
        Two numbers, or two arrays `[N]`; NaN for a resample that holds one batch alone.

    Raises:
        ValueError: If there are fewer than two batches.

    Source: Hoeffding (1948), "A class of statistics with asymptotically normal distribution".
    """
    num_batches = gram.shape[-1]
    if num_batches < 2:
        raise ValueError(f"Expected at least 2 batches. Received: {num_batches}")
    weights = np.ones(gram.shape[:2]) if counts is None else counts.astype(np.float64)
    of_policies = [_moments(gram[r], weights[..., r, :]) for r in range(len(gram))]
    return SampleMoments(*(np.mean(values, axis=0) for values in zip(*of_policies, strict=True)))


def _moments(gram: Array, weights: Array) -> SampleMoments:
    """Of one policy: `[K, K]`, `[…, K]` → `[…]`."""
    norms = np.diagonal(gram)
    distances = norms + norms[:, np.newaxis] - 2 * gram  # squared
    different = ~np.eye(len(gram), dtype=bool)
    num_pairs = weights.sum(axis=-1) ** 2 - (weights**2).sum(axis=-1)

    def mean_over_pairs(values: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return ((weights @ (different * values)) * weights).sum(axis=-1) / num_pairs

    return SampleMoments(mean_over_pairs(gram), np.maximum(mean_over_pairs(distances), 0) / 2)


def measure_noise(
    grams: Array,
    *,
    num_resamples: int,
    confidence: float,
    generator: np.random.Generator,
) -> list[Noise]:
    """The noise of the estimator with each of J unbiased baselines, and its intervals.

    With all of them ĝ has one and the same mean, which the least noisy shows best: all
    signal-to-noise ratios take ‖E ĝ‖ from the one of least total variance. That each baseline's own
    estimate of it agrees can be seen from `squared_norm`.

    The intervals are bootstrap percentiles. What is resampled are the batches, of each policy
    separately; the policies are given. All baselines see the same resamples, so that the luck that
    they share does not enter their ratios. Near ‖E ĝ‖ = 0 the intervals of what it enters are too
    wide, since the products are then those of a degenerate U-statistic (Arcones & Giné 1992, "On
    the bootstrap of U and V statistics").

    Args:
        grams: `[J, R, K, K]`, of the same batches.
        num_resamples: N.
        confidence: The probability with which an interval is to hold the truth.
        generator: Draws the resamples.

    Raises:
        ValueError: If there are fewer than two batches.
    """
    num_policies, num_batches = grams.shape[1:3]
    evenly = np.full(num_batches, 1 / num_batches)
    counts = generator.multinomial(num_batches, evenly, size=(num_resamples, num_policies))
    of_baselines = [sample_moments(gram) for gram in grams]
    variances = np.array([of_baseline.total_variance for of_baseline in of_baselines])
    signal = int(np.argmin(np.where(variances > 0, variances, np.inf)))
    values = _statistics(of_baselines, signal)
    resamples = _statistics([sample_moments(gram, counts) for gram in grams], signal)
    return [
        Noise(*(_estimate(v, r, low, confidence) for v, r, low in zip(*both, LOWEST, strict=True)))
        for both in zip(values, resamples, strict=True)
    ]


def _statistics(of_baselines: Sequence[SampleMoments], signal: int) -> list[tuple[Array, ...]]:
    """The fields of Noise for each baseline, each a number or `[N]`."""
    # Where no two batches differ, whatever noise there is has not been seen, nor what it hides.
    least_noisy = of_baselines[signal]
    squared_signal = np.where(least_noisy.total_variance > 0, least_noisy.squared_norm, np.nan)
    statistics: list[tuple[Array, ...]] = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for squared_norm, variance in of_baselines:
            noise = np.where(variance > 0, variance, np.nan)
            squared_ratio = np.maximum(squared_signal / noise, 0)
            relative = variance / of_baselines[0].total_variance
            ratios = np.sqrt(squared_ratio), np.divide(1, squared_ratio)
            statistics.append((squared_norm, variance, relative, *ratios))
    return statistics


def _estimate(value: Array, resamples: Array, lowest: float, confidence: float) -> Estimate:
    """The percentile interval; a resample of which nothing is known may be anything."""
    tail = (1 - confidence) / 2
    unknown = np.isnan(resamples)
    low = np.quantile(np.where(unknown, lowest, resamples), tail, method="lower")
    high = np.quantile(np.where(unknown, np.inf, resamples), 1 - tail, method="higher")
    return Estimate(float(value), float(low), float(high))
