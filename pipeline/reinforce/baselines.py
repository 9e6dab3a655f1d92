"""Baselines b_{i,t}: what a return is compared with, to lower the variance of the gradient.

A baseline must not depend on the action that it judges, nor on what followed from it; then it
leaves the expected gradient as it is, since E[∇log π(a_t|s_t) b_t] = b_t ∇ Σ_a π(a|s_t) = 0
(Williams 1992; Greensmith, Bartlett & Baxter 2004). Those here look at the *other* episodes of the
batch alone, which are independent of the one judged: each leaves the estimator unbiased, whatever
the number of episodes and of steps. `tests/pipeline/reinforce/test_oracle.py` goes through all
batches of small problems to show it. With the mean of *all* episodes, the judged one among them,
the expected gradient would be (1 − 1/B) times the true one.

In the shapes, B is the number of episodes and T that of steps, padded.
"""

from collections.abc import Callable

import tensorflow as tf

Baseline = Callable[[tf.Tensor], tf.Tensor]


def none(returns: tf.Tensor) -> tf.Tensor:
    """b = 0: returns `[B, T]` → zeros `[B, T]`. REINFORCE as Williams (1992) begins it.

    Unbiased. The variance grows with the square of a constant added to every reward.
    """
    return tf.zeros_like(returns)


def leave_one_out(returns: tf.Tensor) -> tf.Tensor:
    """b_i = mean over j ≠ i of G_{j,0}: one number for each episode.

    Unbiased: it knows the other episodes alone. Its own noise adds variance, the more the fewer
    they are: with B = 2, on two arms that win with probability 0.3 and 0.7 and are drawn equally
    often, the variance (one logit) is 0.0625, against 0.0575 without a baseline and 0.02625 with
    the best constant.

    Args:
        returns: `[B, T]`, B ≥ 2.

    Returns:
        `[B, 1]`, to be broadcast over the steps.

    Source: Kool, van Hoof & Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
    """
    return _mean_of_others(returns[:, :1])


def per_step(returns: tf.Tensor) -> tf.Tensor:
    """b_{i,t} = mean over j ≠ i of G_{j,t}, an episode that has ended counting as 0.

    Unbiased as `leave_one_out` is, at every step. Dividing by all B − 1 others, also where some of
    them have ended, it is defined as long as the judged episode runs, and estimates the mean of
    what is still to be had at step t. Of B = 2 it is as noisy as `leave_one_out`.

    Args:
        returns: `[B, T]`, B ≥ 2, 0 after an episode's end.

    Returns:
        `[B, T]`.
    """
    return _mean_of_others(returns)


BASELINES: dict[str, Baseline] = {
    "none": none,
    "leave_one_out": leave_one_out,
    "per_step": per_step,
}


def _mean_of_others(values: tf.Tensor) -> tf.Tensor:
    """Mean over the other rows: `[B, T]` → `[B, T]`.

    The sums are over differences from the first row: equal rows then give exactly their value, and
    their advantage is exactly 0. A rounding error in its place would be blown up to a full-sized
    gradient by normalising the advantages.
    """
    first = values[:1]
    differences = values - first
    num_others = tf.cast(tf.shape(values)[0] - 1, values.dtype)
    sum_of_others = tf.reduce_sum(differences, axis=0, keepdims=True) - differences
    return first + sum_of_others / num_others
