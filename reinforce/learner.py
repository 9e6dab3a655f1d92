"""One update of REINFORCE: compute the gradient of a batch of episodes, then apply it.

In the shapes, B is the number of episodes, T the number of steps including padding, C the number of
steps of a chunk and N the number of parameters of an action distribution.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from models.policy import Policy
from reinforce.baselines import Baseline
from reinforce.chunks import Chunk, fold_chunks
from reinforce.episodes import Episodes, check_layout
from reinforce.gradient import sum_gradients
from reinforce.loss import normalize, policy_loss
from reinforce.records import UpdateStatistics
from reinforce.returns import discounted_returns
from reinforce.tuning import tuning


class BatchGradient(NamedTuple):
    """The gradient of a batch of episodes, and statistics computed with it."""

    gradients: list[tf.Tensor]  # of the loss, one per variable, before clipping
    loss: tf.Tensor  # []
    entropy: tf.Tensor  # [] mean over valid steps of the policy's entropy, in nats
    distribution: tf.Tensor  # [N] the action distribution's parameters, mean over valid steps


class Learner:
    """The REINFORCE update of a policy.

    Args:
        policy: The policy; its network must be a Keras model.
        optimizer: A Keras optimizer.
        gamma: Discount factor γ, a variable (see `set_hyperparameters`).
        baseline: Predicts the b_t that are subtracted from the returns.
        normalize_advantages: Whether to normalize advantages to mean 0 and standard deviation 1.
        entropy_coefficient: Weight c of the entropy bonus, a variable; 0 disables the bonus.
        max_gradient_norm: Global norm to which gradients are clipped, a variable; None disables
            clipping.
        reward_scale: Factor by which every reward is multiplied first, a variable. Defaults to 1.
        bootstrap_truncated: Whether the baseline's prediction stands for the rewards that a time
            limit cuts off; see `returns`. Defaults to False.
        chunk_size: Number of env steps that are differentiated at a time. Defaults to the value
            in `Tuning` for XLA on the device.
    """

    def __init__(
        self,
        policy: Policy,
        optimizer: keras.Optimizer,
        *,
        gamma: float,
        baseline: Baseline,
        normalize_advantages: bool,
        entropy_coefficient: float,
        max_gradient_norm: float | None,
        reward_scale: float = 1.0,
        bootstrap_truncated: bool = False,
        chunk_size: int | None = None,
    ) -> None:
        self.policy = policy
        self.optimizer = optimizer
        self.baseline = baseline
        self.normalize_advantages = normalize_advantages
        self.bootstrap_truncated = bootstrap_truncated
        self.gamma = _variable(gamma, "gamma")
        self.reward_scale = _variable(reward_scale, "reward_scale")
        self.entropy_coefficient = self.max_gradient_norm = None
        if entropy_coefficient:
            self.entropy_coefficient = _variable(entropy_coefficient, "entropy_coefficient")
        if max_gradient_norm is not None:
            self.max_gradient_norm = _variable(max_gradient_norm, "max_gradient_norm")
        self.chunk_size = chunk_size or tuning().chunk_size
        self.variables = policy.network.trainable_variables
        optimizer.build(self.variables)
        self._fresh_optimizer = [variable.numpy() for variable in optimizer.variables]

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        """All variables that `update` changes, grouped by name."""
        return {
            "policy": self.policy.network.weights,
            "optimizer": self.optimizer.variables,
            **self.baseline.state,
        }

    def reset(self, seed: np.random.SeedSequence) -> None:
        """Start a run: reset the optimizer, and the baseline with `seed`. The policy is kept."""
        for variable, value in zip(self.optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        self.baseline.reset(seed)

    def set_hyperparameters(
        self,
        *,
        gamma: float,
        reward_scale: float,
        entropy_coefficient: float,
        max_gradient_norm: float | None,
    ) -> None:
        """Set the hyperparameters that are variables; programs compiled before use them, too.

        The entropy bonus and clipping can be neither enabled nor disabled.

        Raises:
            ValueError: If `entropy_coefficient` is 0 or `max_gradient_norm` is None, but were not
                when this learner was made, or vice versa.
        """
        for name, variable, value in [
            ("gamma", self.gamma, gamma),
            ("reward_scale", self.reward_scale, reward_scale),
            ("entropy_coefficient", self.entropy_coefficient, entropy_coefficient or None),
            ("max_gradient_norm", self.max_gradient_norm, max_gradient_norm),
        ]:
            if (variable is None) != (value is None):
                raise ValueError(f"{name}: expected a learner made for it, received {value}")
            if variable is not None:
                variable.assign(value)

    def update(self, episodes: Episodes) -> UpdateStatistics:
        """Take one optimizer step.

            ĝ = (1/B) Σ_b Σ_t ∇log π(a_t|s_t) · (G_t − b_t)
            θ ← optimizer step along ĝ, e.g. θ + α ĝ with SGD

        The entropy bonus, normalization of advantages and gradient clipping modify this if enabled.
        The baseline learns from the batch only after its predictions have been used.

        Args:
            episodes: `[B, T, …]`, sampled by the current policy.

        Returns:
            Statistics of the policy before the step, and of the episodes.

        Raises:
            ValueError: If the baseline does not return one number for each step.
        """
        batch = self.gradient(episodes)
        value_loss = self.baseline.fit(  # after `gradient` has called `predict`
            episodes.observations, self.returns(episodes), episodes.valid
        )
        self._apply(batch.gradients)
        rewards = tf.where(episodes.valid, episodes.rewards, 0)  # [B, T]
        mean_rewards = tf.reduce_mean(rewards, axis=0)  # [T]
        discounts = tf.cast(self.gamma, rewards.dtype) ** tf.range(
            tf.shape(rewards)[1], dtype=rewards.dtype
        )
        return UpdateStatistics(
            num_env_steps=tf.math.count_nonzero(episodes.valid, dtype=tf.int32),
            mean_return=tf.reduce_sum(mean_rewards),
            objective=tf.reduce_sum(discounts * mean_rewards),
            loss=batch.loss,
            entropy=batch.entropy,
            gradient_norm=tf.linalg.global_norm(batch.gradients),
            value_loss=value_loss,
            distribution=batch.distribution,
        )

    def returns(self, episodes: Episodes) -> tf.Tensor:
        """Compute G_t of every step from the scaled rewards: `[B, T]`.

        If `bootstrap_truncated` is set, the last reward of a truncated episode is
        r_{T−1} + γ V(s_T), where V is the baseline before it learns from the batch. The returns
        then estimate those of the task without a time limit: biased as far as V is wrong. Without
        it, they are unbiased for the time-limited task, whose observations usually lack the time.

        Source: Pardo et al. (2018), "Time limits in reinforcement learning".
        """
        dtype = episodes.rewards.dtype
        gamma = tf.cast(self.gamma, dtype)
        rewards = tf.cast(self.reward_scale, dtype) * episodes.rewards
        if self.bootstrap_truncated:
            is_cut = episodes.valid & episodes.truncated & ~episodes.terminated  # [B, T]
            values = self.baseline.predict(
                episodes.final_observations[:, tf.newaxis],
                tf.zeros([tf.shape(is_cut)[0], 1], dtype),
                tf.reduce_any(is_cut, axis=1, keepdims=True),
            )  # [B, 1]
            rewards = tf.where(is_cut, rewards + gamma * values, rewards)
        return discounted_returns(rewards, episodes.valid, gamma)

    def advantages(self, episodes: Episodes) -> tf.Tensor:
        """Compute A_t = G_t − b_t of every step, `[B, T]`, normalized if enabled.

        Raises:
            ValueError: If the baseline does not return one number for each step.
        """
        advantages = compute_advantages(episodes, self.returns(episodes), self.baseline)
        return normalize(advantages, episodes.valid) if self.normalize_advantages else advantages

    def gradient(self, episodes: Episodes) -> BatchGradient:
        """Compute the gradient of the loss for a batch `[B, T, …]`; see `policy_loss`.

        Returns:
            The gradients before clipping, with statistics of the batch.

        Raises:
            ValueError: If the baseline does not return one number for each step.
        """
        advantages = self.advantages(episodes)
        num_episodes = tf.cast(tf.shape(episodes.valid)[0], advantages.dtype)
        head = self.policy.head

        def losses(chunk: Chunk) -> tuple[list[tf.Tensor], tuple[tf.Tensor, ...]]:
            actions = chunk.take(episodes.actions)
            outputs = self.policy.outputs(chunk.take(episodes.observations), training=True)
            entropies = head.entropy(outputs)  # [1, C]
            coefficient: tf.Tensor | float = 0.0
            if self.entropy_coefficient is None:
                entropies = tf.stop_gradient(entropies)  # skip a gradient that is multiplied by 0
            else:
                coefficient = tf.cast(self.entropy_coefficient, entropies.dtype)
            loss = policy_loss(
                log_probs=head.log_prob(outputs, actions),
                advantages=chunk.take(advantages),
                entropies=entropies,
                valid=chunk.valid,
                entropy_coefficient=coefficient,
            )
            loss /= num_episodes  # `policy_loss` divided by 1, since a chunk is a single row
            sums = (
                loss,
                _sum_of_valid(entropies[..., tf.newaxis], chunk.valid)[0],
                _sum_of_valid(head.parameters(outputs), chunk.valid),
            )
            return [loss], sums

        dtype = self.variables[0].dtype
        zeros = (tf.zeros((), dtype), tf.zeros((), dtype), self._zero_parameters)
        (gradients,), (loss, entropy, distribution) = sum_gradients(
            losses, self.variables, episodes.valid, self.chunk_size, zeros
        )
        num_valid = tf.cast(tf.math.count_nonzero(episodes.valid), dtype)
        return BatchGradient(gradients, loss, entropy / num_valid, distribution / num_valid)

    def mean_distribution(self, episodes: Episodes) -> tf.Tensor:
        """Average the action distribution's parameters over the valid steps, `[N]`.

        Its operations are meant to be executed one by one: compiling would take longer.
        """

        def add(chunk: Chunk, total: tf.Tensor) -> tf.Tensor:
            outputs = self.policy.outputs(chunk.take(episodes.observations))
            return total + _sum_of_valid(self.policy.head.parameters(outputs), chunk.valid)

        chunk_size = tuning().eager_chunk_size
        total = fold_chunks(add, self._zero_parameters, episodes.valid, chunk_size)
        return total / tf.cast(tf.math.count_nonzero(episodes.valid), total.dtype)

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        """Take an optimizer step, with `gradients` clipped to `max_gradient_norm`."""
        if self.max_gradient_norm is not None:
            norm = tf.cast(self.max_gradient_norm, gradients[0].dtype)
            gradients, _ = tf.clip_by_global_norm(gradients, norm)
        self.optimizer.apply(gradients, self.variables)

    @property
    def _zero_parameters(self) -> tf.Tensor:
        return tf.zeros(len(self.policy.head.parameter_names), self.variables[0].dtype)


def compute_advantages(episodes: Episodes, returns: tf.Tensor, baseline: Baseline) -> tf.Tensor:
    """Compute A_t = G_t − b_t of every step, `[B, T]`, given the returns `[B, T]`.

    Raises:
        ValueError: If the baseline does not return one number for each step.
    """
    predicted = baseline.predict(episodes.observations, returns, episodes.valid)
    check_layout(returns=returns, baseline=predicted)
    return returns - predicted


def _variable(value: float, name: str) -> tf.Variable:
    """Make a variable with all digits of `value`; it is cast to the type that is computed in."""
    return tf.Variable(value, trainable=False, dtype=tf.float64, name=name)


def _sum_of_valid(values: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Sum over the valid steps: `[1, C, N]` → `[N]`."""
    return tf.reduce_sum(tf.where(valid[..., tf.newaxis], values, 0), axis=[0, 1])
