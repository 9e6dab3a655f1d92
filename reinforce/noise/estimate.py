"""The variance and the signal-to-noise ratio of a gradient estimate ĝ.

For each of R policies there are K independent estimates ĝ_k, `[R, K, P]`. All statistics are
computed from their inner products, the Gram matrices `[R, K, K]`, and averaged over the policies.

The signal ‖E ĝ‖² is estimated from products of two different batches. In the product of an
estimate with itself, the noise would count as signal.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class SampleMoments(NamedTuple):
    """The first two moments of ĝ, averaged over policies: scalars, or one number per resample."""

    squared_norm: Array  # ‖E ĝ‖²; unbiased, therefore sometimes negative if the signal is small
    total_variance: Array  # E‖ĝ − E ĝ‖², the trace of the covariance; unbiased, never negative


class Estimate(NamedTuple):
    """A statistic and the ends of its interval. NaN means undefined, ±∞ means unbounded."""

    value: float
    low: float
    high: float


class Noise(NamedTuple):
    """The noise of the estimator with one baseline."""

    squared_norm: Estimate  # ‖E ĝ‖², from this baseline's estimates only
    total_variance: Estimate  # tr Cov ĝ
    relative_variance: Estimate  # tr Cov ĝ divided by that of the first baseline
    signal_to_noise: Estimate  # ‖E ĝ‖ / √(tr Cov ĝ); 0 if ‖E ĝ‖² < 0, NaN if tr Cov ĝ = 0
    num_batches_for_1: Estimate  # batches whose average has a signal-to-noise ratio of 1


LOWER_LIMITS = (-np.inf, 0.0, 0.0, 0.0, 0.0)  # of the fields of Noise


def gram_matrix(gradients: NDArray[np.floating]) -> Array:
    """Compute the inner products of K estimates `[K, P]`, in float64: `[K, K]`."""
    exact = gradients.astype(np.float64)
    return exact @ exact.T


def sample_moments(gram: Array, counts: NDArray[np.integer] | None = None) -> SampleMoments:
    """Estimate ‖E ĝ‖² and tr Cov ĝ without bias.

        ‖E ĝ‖² = E ĝ_k·ĝ_l
        tr Cov ĝ = ½ E‖ĝ_k − ĝ_l‖²,    for independent ĝ_k and ĝ_l

    The estimates are means over all pairs of different batches (U-statistics). This also holds for
    resamples: a batch and its copy are not independent, so their pair is left out.

    Args:
        gram: `[R, K, K]`, K ≥ 2.
        counts: `[N, R, K]`, how often each of N resamples contains each batch. Defaults to None:
            every batch once, without resampling.

    Returns:
        Two scalars, or two arrays `[N]`. NaN for a resample that contains only one batch.

    Raises:
        ValueError: If there are fewer than two batches.

    Source: Hoeffding (1948), "A class of statistics with asymptotically normal distribution".
    """
    num_batches = gram.shape[-1]
    if num_batches < 2:
        raise ValueError(f"Expected at least 2 batches. Received: {num_batches}")
    weights = np.ones(gram.shape[:2]) if counts is None else counts.astype(np.float64)
    per_policy = [_moments(gram[r], weights[..., r, :]) for r in range(len(gram))]
    return SampleMoments(*(np.mean(values, axis=0) for values in zip(*per_policy, strict=True)))


def _moments(gram: Array, weights: Array) -> SampleMoments:
    """Estimate the moments for one policy: `[K, K]`, `[…, K]` → `[…]`."""
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
    """Measure the noise of the estimator with each of J unbiased baselines, with intervals.

        signal-to-noise ratio = ‖E ĝ‖ / √(tr Cov ĝ)

    E ĝ is the same for all unbiased baselines, and the least noisy one estimates it best. Therefore
    all ratios use ‖E ĝ‖ from the baseline with the least total variance. `squared_norm` shows
    whether each baseline's own estimate agrees.

    The intervals are bootstrap percentiles. The batches are resampled, for each policy separately;
    the policies are considered fixed. All baselines use the same resamples, so random effects that
    they share cancel in their ratios. Near ‖E ĝ‖ = 0, the U-statistic is degenerate, and the
    intervals of statistics that depend on ‖E ĝ‖ are too wide.

    Args:
        grams: `[J, R, K, K]`, computed from the same batches for all baselines.
        num_resamples: N.
        confidence: Probability with which each interval is to contain the true value.
        generator: Draws the resamples.

    Returns:
        The noise with each of the J baselines.

    Raises:
        ValueError: If there are fewer than two batches.

    Source: Arcones & Giné (1992), "On the bootstrap of U and V statistics", for the degenerate
    case.
    """
    num_policies, num_batches = grams.shape[1:3]
    evenly = np.full(num_batches, 1 / num_batches)
    counts = generator.multinomial(num_batches, evenly, size=(num_resamples, num_policies))
    moments = [sample_moments(gram) for gram in grams]
    variances = np.array([total_variance for _, total_variance in moments])
    least_noisy = int(np.argmin(np.where(variances > 0, variances, np.inf)))
    values = _statistics(moments, least_noisy)
    resamples = _statistics([sample_moments(gram, counts) for gram in grams], least_noisy)
    return [
        Noise(
            *(
                _estimate(v, r, limit, confidence)
                for v, r, limit in zip(value, resample, LOWER_LIMITS, strict=True)
            )
        )
        for value, resample in zip(values, resamples, strict=True)
    ]


def _statistics(moments: Sequence[SampleMoments], least_noisy: int) -> list[tuple[Array, ...]]:
    """Compute the fields of Noise for each baseline, each a scalar or `[N]`.

    Args:
        moments: Of each of J baselines.
        least_noisy: Index of the baseline from which all ratios take ‖E ĝ‖².
    """
    # If all batches have equal gradients, neither the noise nor the signal can be determined.
    squared_norm, variance = moments[least_noisy]
    squared_signal = np.where(variance > 0, squared_norm, np.nan)
    statistics: list[tuple[Array, ...]] = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for squared_norm, variance in moments:
            noise = np.where(variance > 0, variance, np.nan)
            squared_ratio = np.maximum(squared_signal / noise, 0)
            relative = variance / moments[0].total_variance
            ratios = np.sqrt(squared_ratio), np.divide(1, squared_ratio)
            statistics.append((squared_norm, variance, relative, *ratios))
    return statistics


def _estimate(value: Array, resamples: Array, limit: float, confidence: float) -> Estimate:
    """Compute the percentile interval.

    A resample without a value counts as `limit` for the lower end and as ∞ for the upper end.
    """
    tail = (1 - confidence) / 2
    unknown = np.isnan(resamples)
    low = np.quantile(np.where(unknown, limit, resamples), tail, method="lower")
    high = np.quantile(np.where(unknown, np.inf, resamples), 1 - tail, method="higher")
    return Estimate(float(value), float(low), float(high))
