"""Baselines b_{i,t}, subtracted from the returns to reduce the variance of the gradient.

A baseline of step t may depend neither on the action a_t nor on anything that follows from it. Then
it leaves the expected gradient unchanged:

    E[∇log π(a_t|s_t) b_t] = b_t Σ_a π(a|s_t) ∇log π(a|s_t) = b_t ∇ Σ_a π(a|s_t) = 0

(Williams 1992; Greensmith, Bartlett & Baxter 2004). The baselines in this module use only the
*other* episodes of the batch, which are independent of episode i. The gradient is therefore
unbiased for any number of episodes and steps. `tests/reinforce/test_unbiased.py` verifies this by
enumerating all batches of small problems. The mean of *all* episodes, including episode i, would
scale the expected gradient by 1 − 1/B. `reinforce/value.py` has a learned baseline.

In the shapes, B is the number of episodes and T the number of steps, including padding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from reinforce.episodes import check_layout


class Baseline(Protocol):
    """A baseline, which may be learned. For each batch, call `predict` first and `fit` afterwards.

    Baselines receive no actions. A baseline whose prediction for a step depends on that step's own
    return is biased.
    """

    @property
    def state(self) -> Mapping[str, Sequence[tf.Variable]]:
        """All variables that `fit` changes, grouped by name."""

    def reset(self, seed: np.random.SeedSequence) -> None:
        """Start a run: discard everything learned, and initialize any weights from `seed`."""

    def predict(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """Compute b_t for every step.

        Args:
            observations: `[B, T, O]`.
            returns: `[B, T]`, G_t of every step; 0 on padding.
            valid: `[B, T]` bool, False for padding.

        Returns:
            `[B, T]`; undefined on padding.
        """

    def fit(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """Learn from a batch, after `predict` has been called for it.

        Args:
            observations: `[B, T, O]`.
            returns: `[B, T]`.
            valid: `[B, T]` bool.

        Returns:
            The mean squared error before learning, a scalar; 0 if the baseline does not learn.
        """


class BatchBaseline(Baseline):
    """A baseline that is a function of the batch's returns and does not learn.

    Args:
        function: Maps returns `[B, T]` to baselines `[B, T]`.
    """

    def __init__(self, function: Callable[[tf.Tensor], tf.Tensor]) -> None:
        self.function = function

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        """See `Baseline`; empty."""
        return {}

    def reset(self, seed: np.random.SeedSequence) -> None:
        """See `Baseline`; does nothing."""

    def predict(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """See `Baseline`."""
        return self.function(returns)

    def fit(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """See `Baseline`; return 0."""
        return tf.constant(0.0)


def none(returns: tf.Tensor) -> tf.Tensor:
    """Use no baseline.

        b_{i,t} = 0

    Unbiased. Adding a constant c to every reward changes the variance by a quadratic function of c.

    Args:
        returns: `[B, T]`.

    Returns:
        Zeros `[B, T]`.

    Source: Williams (1992), where REINFORCE begins without a baseline.
    """
    return tf.zeros_like(returns)


def leave_one_out(returns: tf.Tensor) -> tf.Tensor:
    """Use the mean return of the other episodes, at every step.

        b_{i,t} = 1/(B − 1) Σ_{j≠i} G_{j,0}

    Unbiased, because it depends only on the other episodes. Its own noise adds variance, and adds
    more the fewer episodes there are. Example: a bandit with two arms that win with probability 0.3
    and 0.7, chosen equally often by a policy with one logit. For B = 2 the variance of the gradient
    is 0.0625, compared with 0.0575 without a baseline and 0.02625 with the best constant.

    Args:
        returns: `[B, T]`, B ≥ 2.

    Returns:
        `[B, T]`, the same number at all steps of an episode.

    Raises:
        ValueError: If `returns` is not `[B, T]`.

    Source: Kool, van Hoof & Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
    """
    check_layout(returns=returns)
    return tf.broadcast_to(_mean_of_others(returns[:, :1]), tf.shape(returns))


def per_step(returns: tf.Tensor) -> tf.Tensor:
    """Use the mean return of the other episodes from the same step on.

        b_{i,t} = 1/(B − 1) Σ_{j≠i} G_{j,t}

    Unbiased for the same reason as `leave_one_out`. Episodes that have already ended count as 0,
    and the divisor is B − 1 even then. The baseline is therefore defined for as long as episode i
    runs, and it estimates the mean return from step t on. With B = 2, each baseline is a single
    return, a noisy estimate.

    Args:
        returns: `[B, T]`, B ≥ 2; 0 after the end of an episode.

    Returns:
        `[B, T]`.

    Raises:
        ValueError: If `returns` is not `[B, T]`.
    """
    check_layout(returns=returns)
    return _mean_of_others(returns)


BASELINES: dict[str, Baseline] = {
    function.__name__: BatchBaseline(function) for function in (none, leave_one_out, per_step)
}


def _mean_of_others(values: tf.Tensor) -> tf.Tensor:
    """Average over the other rows: `[B, T]` → `[B, T]`.

    The sums are taken over differences from the first row, so that the mean of equal rows is exact
    and their advantage is exactly 0. Otherwise, normalizing the advantages would amplify a rounding
    error to a full-size gradient.
    """
    first = values[:1]
    differences = values - first
    num_others = tf.cast(tf.shape(values)[0] - 1, values.dtype)
    sum_of_others = tf.reduce_sum(differences, axis=0, keepdims=True) - differences
    return first + sum_of_others / num_others
