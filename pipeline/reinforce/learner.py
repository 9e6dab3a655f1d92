"""One update of REINFORCE: the gradient of a batch of episodes, and its application."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from models.normalization import RunningNormalization
from models.policy import Policy
from pipeline.reinforce.baselines import BASELINES
from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.loss import normalized, policy_loss
from pipeline.reinforce.returns import discounted_returns
from pipeline.reinforce.value import ValueBaseline


class UpdateStatistics(NamedTuple):
    """What one update saw before the weights changed, and what it made of them."""

    objective: Any  # [] mean discounted return of the episodes
    loss: Any  # []
    entropy: Any  # [] mean over valid steps of the policy's entropy, in nats
    gradient_norm: Any  # [] global norm, before clipping
    value_loss: Any  # [] mean squared error of the baseline `value`; 0 without it
    distribution: Any  # [N] after the update: the action distribution's parameters, mean over steps


class Learner:
    """Updates a policy by REINFORCE.

    `update` is compiled once, for any number and length of episodes. It serves one run after the
    other: assign the weights of the next and call `reset`.

    Args:
        policy: The policy; its network must be a Keras model.
        optimizer: A Keras optimizer.
        gamma: Discount factor γ.
        baseline: `none`, `leave_one_out` or `per_step`, or a network that predicts returns.
        normalize_advantages: Whether advantages are brought to mean 0 and standard deviation 1.
        entropy_coefficient: Weight of the entropy bonus.
        max_gradient_norm: Global norm to which gradients are clipped; None: never.
        reward_scale: Factor of every reward, before anything is made of it.
        normalizer: The layer of the policy's network that normalises observations, if it has one.
            An update counts its observations when all else is done: the statistics stand still
            while a batch is sampled and learnt from.
    """

    def __init__(
        self,
        policy: Policy,
        optimizer: keras.Optimizer,
        *,
        gamma: float,
        baseline: str | ValueBaseline,
        normalize_advantages: bool,
        entropy_coefficient: float,
        max_gradient_norm: float | None,
        reward_scale: float = 1.0,
        normalizer: RunningNormalization | None = None,
    ) -> None:
        self.policy = policy
        self.optimizer = optimizer
        self.gamma = gamma
        self.baseline = BASELINES[baseline] if isinstance(baseline, str) else baseline
        self.normalize_advantages = normalize_advantages
        self.entropy_coefficient = entropy_coefficient
        self.max_gradient_norm = max_gradient_norm
        self.reward_scale = reward_scale
        self.normalizer = normalizer
        self.variables = policy.network.trainable_variables
        optimizer.build(self.variables)
        self._fresh_optimizer = [variable.numpy() for variable in optimizer.variables]
        signature = [episodes_signature(policy)]
        self.update = tf.function(self._update, input_signature=signature)
        self.mean_distribution = tf.function(self._mean_distribution, input_signature=signature)

    def reset(self) -> None:
        """Forgets what the optimizers have seen: moments, momentum, number of steps."""
        for variable, value in zip(self.optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        if isinstance(self.baseline, ValueBaseline):
            self.baseline.reset()

    def returns(self, episodes: Episodes) -> tf.Tensor:
        """G_t of every step, of scaled rewards: `[B, T]`."""
        rewards = self.reward_scale * episodes.rewards
        return discounted_returns(rewards, episodes.valid, self.gamma)

    def advantages(self, episodes: Episodes) -> tf.Tensor:
        """A_t = G_t − b_t of every step, `[B, T]`; normalised if so chosen."""
        returns = self.returns(episodes)
        if isinstance(self.baseline, ValueBaseline):
            advantages = returns - self.baseline.predict(episodes.observations)
        else:
            advantages = returns - self.baseline(returns)
        return normalized(advantages, episodes.valid) if self.normalize_advantages else advantages

    def gradient(self, episodes: Episodes) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """Gradient of the loss, one tensor for each variable, not yet clipped; loss; mean entropy.

        The loss and the entropy are scalars; the entropy is the mean over valid steps, in nats.
        """
        with tf.GradientTape() as tape:
            outputs = self.policy.outputs(episodes.observations)  # [B, T, P]
            entropies = self.policy.head.entropy(outputs)  # [B, T]
            loss = policy_loss(
                log_probs=self.policy.head.log_prob(outputs, episodes.actions),
                advantages=self.advantages(episodes),
                entropies=entropies,
                valid=episodes.valid,
                entropy_coefficient=self.entropy_coefficient,
            )
        entropy = tf.reduce_mean(tf.boolean_mask(entropies, episodes.valid))
        return tape.gradient(loss, self.variables), loss, entropy

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """One step of the optimizer along `gradients`, clipped to `max_gradient_norm`."""
        if self.max_gradient_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.max_gradient_norm)
        self.optimizer.apply(gradients, self.variables)

    def _update(self, episodes: Episodes) -> UpdateStatistics:
        gradients, loss, entropy = self.gradient(episodes)
        value_loss = tf.constant(0.0)
        if isinstance(self.baseline, ValueBaseline):  # it has judged the batch: it may see it now
            value_loss = self.baseline.fit(
                episodes.observations, self.returns(episodes), episodes.valid
            )
        self.apply(gradients)
        if self.normalizer is not None:
            self.normalizer.update(episodes.observations, episodes.valid)
        returns = discounted_returns(episodes.rewards, episodes.valid, self.gamma)
        return UpdateStatistics(
            objective=tf.reduce_mean(returns[:, 0]),
            loss=loss,
            entropy=entropy,
            gradient_norm=tf.linalg.global_norm(gradients),
            value_loss=value_loss,
            distribution=self._mean_distribution(episodes),
        )

    def _mean_distribution(self, episodes: Episodes) -> tf.Tensor:
        outputs = self.policy.outputs(episodes.observations)
        parameters = self.policy.head.parameters(outputs)  # [B, T, N]
        return tf.reduce_mean(tf.boolean_mask(parameters, episodes.valid), axis=0)


def episodes_signature(policy: Policy) -> Episodes:
    """What a function compiled for any number and length of episodes declares as its input."""

    def spec(dtype: tf.DType, *shape: int) -> tf.TensorSpec:
        return tf.TensorSpec([None, None, *shape], dtype)

    head = policy.head
    return Episodes(
        observations=spec(tf.float32, policy.observation_size),
        actions=spec(head.action_dtype, *head.action_shape),
        log_probs=spec(tf.float32),
        rewards=spec(tf.float32),
        terminated=spec(tf.bool),
        truncated=spec(tf.bool),
        valid=spec(tf.bool),
    )
