"""The gradients of the same batches of episodes with each baseline.

In the shapes, K is the number of batches, B that of episodes in each, T that of steps, J that of
baselines and P that of the policy's weights.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from reinforce.baselines import BASELINES, Baseline
from reinforce.chunks import Chunk
from reinforce.episodes import Episodes
from reinforce.gradient import sum_gradients
from reinforce.learner import Learner, advantages_of
from reinforce.loss import policy_loss
from reinforce.noise.estimate import gram_matrix
from reinforce.signature import episodes_signature

COMPARED = (*BASELINES, "value")  # the J baselines, in this order throughout


class ComparedGradients(NamedTuple):
    """A batch's gradients, and sums over its valid steps that tell how well baselines predict."""

    gradients: tf.Tensor  # [J, P] of the loss: −ĝ, one variable's components after the other's
    squared_advantages: tf.Tensor  # [J] float64 Σ (G_t − b_t)²
    returns: tf.Tensor  # [] float64 Σ G_t
    num_steps: tf.Tensor  # [] int64


Compare = Callable[[Episodes], ComparedGradients]


class Probe(NamedTuple):
    """Measurements of each baseline on K batches of one policy's episodes."""

    gram: np.ndarray  # [J, K, K] inner products of the batches' gradients
    explained_variance: np.ndarray  # [J] of the returns; see `probe`


def compare_baselines(learner: Learner, value: Baseline, episodes: Episodes) -> ComparedGradients:
    """Compute −ĝ = −(1/B) Σ_b Σ_t ∇log π(a_t|s_t) · (G_t − b_t) under each baseline of `COMPARED`.

    Each is what `Learner.gradient` gives with that baseline and no option switched on: advantages
    are not normalized, there is no entropy bonus, and nothing is clipped. The policy and its
    log-probabilities are computed once for all.

    Args:
        learner: Has the policy, γ and the factor of rewards.
        value: The baseline of this name.
        episodes: `[B, T, …]`, B ≥ 2.
    """
    returns = learner.returns(episodes)
    baselines = [*BASELINES.values(), value]
    advantages = [advantages_of(episodes, returns, baseline) for baseline in baselines]
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
        gradients=tf.stack([_flat(of_loss) for of_loss in gradients]) / num_episodes,
        squared_advantages=tf.reduce_sum(tf.cast(advantages, tf.float64) ** 2, axis=[0, 1]),
        returns=tf.reduce_sum(tf.cast(returns, tf.float64)),  # which are 0 on padding
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

    The explained variance is 1 − E (G_t − b_t)² / Var G_t over all steps: 1 for a baseline that
    knows the returns, 0 for their mean, below 0 for what predicts worse than that, and NaN where
    all returns are equal but for a millionth, which is rounding.

    Raises:
        FloatingPointError: If a gradient is not finite.
    """
    compared = [[values.numpy() for values in compare(episodes)] for episodes in batches]
    gradients, squares, returns, num_steps = map(np.stack, zip(*compared, strict=True))
    gram = np.stack([gram_matrix(of_baseline) for of_baseline in gradients.swapaxes(0, 1)])
    if not np.isfinite(gram).all():
        raise FloatingPointError("the gradients are not finite")
    mean_squares = squares.sum(axis=0) / num_steps.sum()  # [J]
    mean_return = returns.sum() / num_steps.sum()
    variance_of_returns = mean_squares[COMPARED.index("none")] - mean_return**2
    if not variance_of_returns > (1e-6 * mean_return) ** 2:
        return Probe(gram, np.full(len(COMPARED), np.nan))
    return Probe(gram, 1 - mean_squares / variance_of_returns)


def _flat(gradients: list[tf.Tensor]) -> tf.Tensor:
    return tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)
