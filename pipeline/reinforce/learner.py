"""One update of REINFORCE: the gradient of a batch of episodes, and its application."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from models.normalization import RunningNormalization
from models.policy import Policy
from pipeline.reinforce.baselines import BASELINES
from pipeline.reinforce.best import BestPolicy
from pipeline.reinforce.chunks import CHUNK_SIZE, Chunk, fold_chunks
from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.loss import normalized, policy_loss
from pipeline.reinforce.returns import discounted_returns
from pipeline.reinforce.value import ValueBaseline


class BatchGradient(NamedTuple):
    """The gradient of a batch of episodes, and what was seen on the way."""

    gradients: list[tf.Tensor]  # of the loss, one for each variable, not yet clipped
    loss: tf.Tensor  # []
    entropy: tf.Tensor  # [] mean over valid steps of the policy's entropy, in nats
    distribution: tf.Tensor  # [N] the action distribution's parameters, mean over valid steps


class UpdateStatistics(NamedTuple):
    """What one update saw before the weights changed."""

    num_env_steps: Any  # [] int32, of the episodes together
    mean_return: Any  # [] mean episode return, undiscounted
    objective: Any  # [] mean discounted return of the episodes
    loss: Any  # []
    entropy: Any  # [] mean over valid steps of the policy's entropy, in nats
    gradient_norm: Any  # [] global norm, before clipping
    value_loss: Any  # [] mean squared error of the baseline `value`; 0 without it
    distribution: Any  # [N] the action distribution's parameters, mean over valid steps


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
        chunk_size: Number of env steps that are differentiated at a time.
        normalizer: The layer of the policy's network that normalises observations, if it has one.
            An update counts its observations when all else is done: the statistics stand still
            while a batch is sampled and learnt from.
        best: Judges the policy at each update, before it changes, and keeps the best; None: the
            last policy is the one that counts.
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
        chunk_size: int = CHUNK_SIZE,
        normalizer: RunningNormalization | None = None,
        best: BestPolicy | None = None,
    ) -> None:
        self.policy = policy
        self.optimizer = optimizer
        self.gamma = gamma
        self.baseline = BASELINES[baseline] if isinstance(baseline, str) else baseline
        self.normalize_advantages = normalize_advantages
        self.entropy_coefficient = entropy_coefficient
        self.max_gradient_norm = max_gradient_norm
        self.reward_scale = reward_scale
        self.chunk_size = chunk_size
        self.normalizer = normalizer
        self.best = best
        self.variables = policy.network.trainable_variables
        optimizer.build(self.variables)
        self._fresh_optimizer = [variable.numpy() for variable in optimizer.variables]
        signature = [episodes_signature(policy)]
        self.update = tf.function(self.learn, input_signature=signature)
        self.mean_distribution = tf.function(self._mean_distribution, input_signature=signature)

    def reset(self) -> None:
        """Forgets what was seen: moments, momentum, number of steps, the best policy."""
        for variable, value in zip(self.optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        if isinstance(self.baseline, ValueBaseline):
            self.baseline.reset()
        if self.best is not None:
            self.best.reset()

    @property
    def state(self) -> dict[str, keras.Variable]:
        """All that training changes, by name: with these values it goes on as it would have."""
        parts = {"policy": self.policy.network.weights, "optimizer": self.optimizer.variables}
        if isinstance(self.baseline, ValueBaseline):
            parts |= self.baseline.state
        if self.best is not None:
            parts["best"] = self.best.variables
        return {
            f"{part}/{i}": v for part, variables in parts.items() for i, v in enumerate(variables)
        }

    def returns(self, episodes: Episodes) -> tf.Tensor:
        """G_t of every step, of scaled rewards: `[B, T]`."""
        rewards = self.reward_scale * episodes.rewards
        return discounted_returns(rewards, episodes.valid, self.gamma)

    def advantages(self, episodes: Episodes) -> tf.Tensor:
        """A_t = G_t − b_t of every step, `[B, T]`; normalised if so chosen."""
        returns = self.returns(episodes)
        if isinstance(self.baseline, ValueBaseline):
            advantages = returns - self.baseline.predict(episodes.observations, episodes.valid)
        else:
            advantages = returns - self.baseline(returns)
        return normalized(advantages, episodes.valid) if self.normalize_advantages else advantages

    def gradient(self, episodes: Episodes) -> BatchGradient:
        """Gradient of the loss of a batch.

        A sum over steps, it is taken a chunk of them at a time: memory is that of a chunk, however
        many and however long the episodes.

        Args:
            episodes: `[B, T, …]`.
        """
        advantages = self.advantages(episodes)
        num_episodes = tf.cast(tf.shape(episodes.valid)[0], advantages.dtype)

        def add(part: Chunk, sums: BatchGradient) -> BatchGradient:
            observations, actions = part.take(episodes.observations), part.take(episodes.actions)
            with tf.GradientTape() as tape:
                outputs = self.policy.outputs(observations, training=True)  # [1, C, P]
                with tape.stop_recording() if not self.entropy_coefficient else nullcontext():
                    entropies = self.policy.head.entropy(outputs)  # [1, C]
                loss = policy_loss(
                    log_probs=self.policy.head.log_prob(outputs, actions),
                    advantages=part.take(advantages),
                    entropies=entropies,
                    valid=part.valid,
                    entropy_coefficient=self.entropy_coefficient,
                )
                loss /= num_episodes
            parameters = self.policy.head.parameters(outputs)  # [1, C, N]
            chunk = BatchGradient(
                gradients=tape.gradient(loss, self.variables),
                loss=loss,
                entropy=_sum_of_valid(entropies[..., tf.newaxis], part.valid)[0],
                distribution=_sum_of_valid(parameters, part.valid),
            )
            return tf.nest.map_structure(tf.add, sums, chunk)

        dtype = self.variables[0].dtype
        sums = fold_chunks(
            add,
            BatchGradient(
                gradients=[tf.zeros(v.shape, v.dtype) for v in self.variables],
                loss=tf.zeros((), dtype),
                entropy=tf.zeros((), dtype),
                distribution=tf.zeros(len(self.policy.head.parameter_names), dtype),
            ),
            episodes.valid,
            self.chunk_size,
        )
        num_valid = tf.cast(tf.math.count_nonzero(episodes.valid), dtype)
        return sums._replace(
            entropy=sums.entropy / num_valid, distribution=sums.distribution / num_valid
        )

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """One step of the optimizer along `gradients`, clipped to `max_gradient_norm`."""
        if self.max_gradient_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.max_gradient_norm)
        self.optimizer.apply(gradients, self.variables)

    def learn(self, episodes: Episodes) -> UpdateStatistics:
        """One update, on episodes `[B, T, …]` that the policy sampled as it is."""
        rewards = tf.where(episodes.valid, episodes.rewards, 0)  # [B, T]
        if self.best is not None:
            self.best.judge(tf.reduce_sum(rewards, axis=1))
        batch = self.gradient(episodes)
        value_loss = tf.constant(0.0)
        if isinstance(self.baseline, ValueBaseline):  # it has judged the batch: it may see it now
            value_loss = self.baseline.fit(
                episodes.observations, self.returns(episodes), episodes.valid
            )
        self.apply(batch.gradients)
        if self.normalizer is not None:
            self._count_observations(self.normalizer, episodes)
        mean_rewards = tf.reduce_mean(rewards, axis=0)  # [T]
        discounts = tf.constant(self.gamma, rewards.dtype) ** tf.range(
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

    def _mean_distribution(self, episodes: Episodes) -> tf.Tensor:
        """The action distribution's parameters, mean over valid steps, `[N]`."""

        def add(chunk: Chunk, total: tf.Tensor) -> tf.Tensor:
            outputs = self.policy.outputs(chunk.take(episodes.observations))
            return total + _sum_of_valid(self.policy.head.parameters(outputs), chunk.valid)

        zeros = tf.zeros(len(self.policy.head.parameter_names), self.variables[0].dtype)
        total = fold_chunks(add, zeros, episodes.valid, self.chunk_size)
        return total / tf.cast(tf.math.count_nonzero(episodes.valid), total.dtype)

    def _count_observations(self, normalizer: RunningNormalization, episodes: Episodes) -> None:
        def count(chunk: Chunk, state: tuple[()]) -> tuple[()]:
            normalizer.update(chunk.take(episodes.observations), chunk.valid)
            return state

        fold_chunks(count, (), episodes.valid, self.chunk_size)


def _sum_of_valid(values: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Sum over the valid steps: `[1, C, N]` → `[N]`."""
    return tf.reduce_sum(tf.where(valid[..., tf.newaxis], values, 0), axis=[0, 1])


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
