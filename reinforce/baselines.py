"""Baselines b_{i,t}, subtracted from the returns to lower the variance of the gradient.

A baseline must not depend on the action that it judges, nor on what followed from it. Then it
leaves the expected gradient as it is, since E[∇log π(a_t|s_t) b_t] = b_t ∇ Σ_a π(a|s_t) = 0
(Williams 1992; Greensmith, Bartlett & Baxter 2004). Those here look only at the *other* episodes
of the batch, which are independent of the one judged: each leaves the estimator unbiased, whatever
the number of episodes and of steps. `tests/reinforce/test_unbiased.py` goes through all batches of
small problems to show it. With the mean of *all* episodes, the judged one among them, the expected
gradient would be (1 − 1/B) times the true one. `reinforce/value.py` has a baseline that learns.

In the shapes, B is the number of episodes and T the number of steps, padded.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from reinforce.episodes import check_layout


class Baseline(Protocol):
    """A baseline, which may learn: `predict` judges a batch before `fit` is shown its returns.

    It is given no actions. Where it predicts a step from that step's own return, it is biased.
    """

    @property
    def state(self) -> Mapping[str, Sequence[tf.Variable]]:
        """All variables that `fit` changes, by what they belong to."""

    def reset(self, seed: np.random.SeedSequence) -> None:
        """Begin a run: forget everything, and draw initial weights, if it has any, from `seed`."""

    def predict(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """Compute the baseline of every step.

        Args:
            observations: `[B, T, O]`.
            returns: `[B, T]`, G_t of every step; 0 on padding.
            valid: `[B, T]` bool, False for padding.

        Returns:
            `[B, T]`; undefined on padding.
        """

    def fit(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """Learn from a batch that has been judged.

        Args:
            observations: `[B, T, O]`.
            returns: `[B, T]`.
            valid: `[B, T]` bool.

        Returns:
            The mean squared error of `predict` before, a scalar; 0 if there is nothing to learn.
        """


class BatchBaseline(Baseline):
    """A baseline that is a function of the batch's returns, and learns nothing.

    Args:
        function: Returns `[B, T]` → baselines `[B, T]`.
    """

    def __init__(self, function: Callable[[tf.Tensor], tf.Tensor]) -> None:
        self.function = function

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        """See `Baseline`; none."""
        return {}

    def reset(self, seed: np.random.SeedSequence) -> None:
        """See `Baseline`; there is nothing to forget."""

    def predict(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """See `Baseline`."""
        return self.function(returns)

    def fit(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """See `Baseline`; 0."""
        return tf.constant(0.0)


def none(returns: tf.Tensor) -> tf.Tensor:
    """Subtract nothing, b = 0: REINFORCE as Williams (1992) begins it.

    Unbiased. The variance grows with the square of a constant added to every reward.

    Args:
        returns: `[B, T]`.

    Returns:
        Zeros `[B, T]`.
    """
    return tf.zeros_like(returns)


def leave_one_out(returns: tf.Tensor) -> tf.Tensor:
    """Average the other episodes' returns: b_i = mean over j ≠ i of G_{j,0}, at every step.

    Unbiased: it depends on the other episodes only. Its own noise adds variance, the more the fewer
    they are: with B = 2, on two arms that win with probability 0.3 and 0.7 and are drawn equally
    often, the variance (one logit) is 0.0625, against 0.0575 without a baseline and 0.02625 with
    the best constant.

    Args:
        returns: `[B, T]`, B ≥ 2.

    Returns:
        `[B, T]`, the same number at all steps of an episode.

    Source: Kool, van Hoof & Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
    """
    check_layout(returns=returns)
    return tf.broadcast_to(_mean_of_others(returns[:, :1]), tf.shape(returns))


def per_step(returns: tf.Tensor) -> tf.Tensor:
    """Average the other episodes' returns step by step: b_{i,t} = mean over j ≠ i of G_{j,t}.

    An episode that has ended counts as 0. Unbiased as `leave_one_out` is, at every step. Dividing
    by all B − 1 others, also where some of them have ended, it is defined as long as the judged
    episode runs, and estimates the mean return from step t on. With B = 2 it is as noisy as
    `leave_one_out`.

    Args:
        returns: `[B, T]`, B ≥ 2, 0 after an episode's end.

    Returns:
        `[B, T]`.
    """
    check_layout(returns=returns)
    return _mean_of_others(returns)


BASELINES: dict[str, Baseline] = {
    function.__name__: BatchBaseline(function) for function in (none, leave_one_out, per_step)
}


def _mean_of_others(values: tf.Tensor) -> tf.Tensor:
    """Average over the other rows: `[B, T]` → `[B, T]`.

    The sums are over differences from the first row: equal rows then give exactly their value, and
    their advantage is exactly 0. Otherwise normalizing the advantages would blow up a rounding
    error to a full-sized gradient.
    """
    first = values[:1]
    differences = values - first
    num_others = tf.cast(tf.shape(values)[0] - 1, values.dtype)
    sum_of_others = tf.reduce_sum(differences, axis=0, keepdims=True) - differences
    return first + sum_of_others / num_others
