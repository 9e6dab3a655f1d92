"""Comparison of baselines: each one's gradients of the same batches of episodes.

In the shapes, K is the number of batches, B the number of episodes in each, T the number of steps,
J the number of baselines and P the number of the policy's weights.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from reinforce.baselines import BASELINES, Baseline
from reinforce.chunks import Chunk
from reinforce.episodes import Episodes
from reinforce.gradient import sum_gradients
from reinforce.learner import Learner, compute_advantages
from reinforce.loss import policy_loss
from reinforce.noise.estimate import gram_matrix
from reinforce.signature import episodes_signature

COMPARED = (*BASELINES, "value")  # the J baselines, in the order of every axis J


class ComparedGradients(NamedTuple):
    """A batch's gradients, and sums over valid steps from which explained variance is computed."""

    gradients: tf.Tensor  # [J, P] of the loss, −ĝ, with all variables flattened and concatenated
    squared_advantages: tf.Tensor  # [J] float64, Σ (G_t − b_t)²
    returns: tf.Tensor  # [] float64, Σ G_t
    num_steps: tf.Tensor  # [] int64, number of valid steps


Compare = Callable[[Episodes], ComparedGradients]


class Probe(NamedTuple):
    """Measurements of each baseline on K batches of one policy's episodes."""

    gram: np.ndarray  # [J, K, K], inner products of the batches' gradients
    explained_variance: np.ndarray  # [J], of the returns; see `probe`


def compare_baselines(learner: Learner, value: Baseline, episodes: Episodes) -> ComparedGradients:
    """Compute the gradient of the loss with each baseline of `COMPARED`.

        −ĝ = −(1/B) Σ_b Σ_t ∇log π(a_t|s_t) · (G_t − b_t)

    Each equals the result of `Learner.gradient` with that baseline and all options disabled:
    advantages are not normalized, there is no entropy bonus, and gradients are not clipped. The
    log-probabilities are computed only once, for all baselines together.

    Args:
        learner: Provides the policy, γ and the reward scale.
        value: The baseline `value`.
        episodes: `[B, T, …]`, B ≥ 2.

    Returns:
        The gradients, and the sums for the explained variance.
    """
    returns = learner.returns(episodes)
    baselines = [*BASELINES.values(), value]
    advantages = [compute_advantages(episodes, returns, baseline) for baseline in baselines]
    advantages = tf.stack(advantages, axis=-1)  # [B, T, J]
    advantages = tf.where(episodes.valid[..., tf.newaxis], advantages, 0)
    policy = learner.policy

    def losses(chunk: Chunk) -> tuple[list[tf.Tensor], tuple[()]]:
        observations, actions = chunk.take(episodes.observations), chunk.take(episodes.actions)
        log_probs = policy.head.log_prob(policy.outputs(observations), actions)
        return [
            policy_loss(log_probs, a, tf.zeros_like(a), chunk.valid, entropy_coefficient=0.0)
            for a in tf.unstack(chunk.take(advantages), axis=-1)
        ], ()

    gradients, _ = sum_gradients(
        losses, learner.variables, episodes.valid, learner.chunk_size, num_losses=len(COMPARED)
    )
    num_episodes = tf.cast(tf.shape(episodes.valid)[0], returns.dtype)
    return ComparedGradients(
        gradients=tf.stack([_flatten(parts) for parts in gradients]) / num_episodes,
        squared_advantages=tf.reduce_sum(tf.cast(advantages, tf.float64) ** 2, axis=[0, 1]),
        returns=tf.reduce_sum(tf.cast(returns, tf.float64)),  # returns are 0 on padding
        num_steps=tf.math.count_nonzero(episodes.valid),
    )


def compile_comparison(learner: Learner, value: Baseline) -> Compare:
    """Compile `compare_baselines` for any number and length of episodes."""
    return tf.function(
        lambda episodes: compare_baselines(learner, value, episodes),
        input_signature=[episodes_signature(learner.policy)],
        autograph=False,
    )


def probe(compare: Compare, batches: Iterable[Episodes]) -> Probe:
    """Compare the baselines on batches of one policy's episodes.

        explained variance = 1 − E (G_t − b_t)² / Var G_t, over all valid steps

    It is 1 for a perfect prediction, 0 for the mean return, and negative for anything worse. It is
    NaN if the standard deviation of the returns is below a millionth of their mean: that is
    rounding.

    Args:
        compare: Compiled by `compile_comparison`.
        batches: K batches.

    Returns:
        The Gram matrix and the explained variance for each baseline.

    Raises:
        FloatingPointError: If a gradient is not finite.
    """
    compared = [[values.numpy() for values in compare(episodes)] for episodes in batches]
    gradients, squares, returns, num_steps = map(np.stack, zip(*compared, strict=True))
    gram = np.stack([gram_matrix(estimates) for estimates in gradients.swapaxes(0, 1)])
    if not np.isfinite(gram).all():
        raise FloatingPointError("the gradients are not finite")
    mean_squares = squares.sum(axis=0) / num_steps.sum()  # [J]
    mean_return = returns.sum() / num_steps.sum()
    variance_of_returns = mean_squares[COMPARED.index("none")] - mean_return**2
    if not variance_of_returns > (1e-6 * mean_return) ** 2:
        return Probe(gram, np.full(len(COMPARED), np.nan))
    return Probe(gram, 1 - mean_squares / variance_of_returns)


def _flatten(gradients: list[tf.Tensor]) -> tf.Tensor:
    return tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)
