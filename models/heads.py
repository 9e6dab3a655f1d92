"""Action heads: from the network's outputs to a distribution over actions, and to actions.

A head says how the outputs of a policy network parametrise a TensorFlow Probability distribution,
how actions are drawn from it, and what the environment is given. Every head has the same methods.
In the shapes, `…` stands for any leading dimensions.
"""

from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf
from gymnasium import spaces
from tensorflow_probability import distributions as tfd


class ActionHead(Protocol):
    """What a policy needs to know of an action space."""

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of one action."""

    @property
    def action_dtype(self) -> tf.DType:
        """Type of an action, as it is sampled and scored."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """A name for each of the distribution's parameters, in the order of `parameters`."""

    def outputs(
        self, features: keras.KerasTensor, kernel_initializer: keras.Initializer
    ) -> keras.KerasTensor:
        """Adds the network's last layer: features `[…, F]` → outputs `[…, P]`."""

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        """Outputs `[…, P]` → a distribution over actions, batch shape `[…]`."""

    def sample(self, outputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Outputs `[…, P]`, stateless seed `[2]` → sampled actions `[…, *action_shape]`."""

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """Log-probability (density) `[…]` of actions as they were sampled."""

    def mode(self, outputs: tf.Tensor) -> tf.Tensor:
        """Most probable actions `[…, *action_shape]`."""

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        """The distribution's parameters `[…, N]`, one column for each of `parameter_names`."""

    def for_environment(self, actions: tf.Tensor) -> tf.Tensor:
        """Actions as the environment takes them."""


@dataclass(frozen=True)
class CategoricalHead:
    """Discrete actions `start … start + num_actions − 1`; the outputs are logits."""

    num_actions: int
    start: int = 0

    @property
    def action_shape(self) -> tuple[int, ...]:
        return ()

    @property
    def action_dtype(self) -> tf.DType:
        return tf.int64

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(f"probability_{self.start + a}" for a in range(self.num_actions))

    def outputs(
        self, features: keras.KerasTensor, kernel_initializer: keras.Initializer
    ) -> keras.KerasTensor:
        return keras.layers.Dense(
            self.num_actions, kernel_initializer=kernel_initializer, name="logits"
        )(features)

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        return tfd.Categorical(logits=outputs, dtype=tf.int64)

    def sample(self, outputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        # Gumbel-max (Maddison et al. 2014). Categorical's own sampler gives other actions at other
        # thread counts; a uniform draw does not. It must not be 0, whose logarithm is −∞.
        uniform = tf.random.stateless_uniform(
            tf.shape(outputs), seed, minval=np.finfo(np.float32).tiny
        )
        return self.start + tf.argmax(outputs - tf.math.log(-tf.math.log(uniform)), axis=-1)

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).log_prob(actions - self.start)

    def mode(self, outputs: tf.Tensor) -> tf.Tensor:
        return self.start + tf.argmax(outputs, axis=-1)

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(outputs)

    def for_environment(self, actions: tf.Tensor) -> tf.Tensor:
        return actions


@dataclass(frozen=True)
class NormalHead:
    """Box actions, n = prod(shape) independent Normals; outputs: n means, n log deviations.

    The standard deviations are learnt and do not depend on the state; they begin at 1. An action is
    scored as it was sampled and clipped to `[low, high]` only on its way into the environment:
    clipping is part of the environment, so the policy gradient needs no correction for it.
    """

    low: np.ndarray  # [*action_shape], −∞ where unbounded
    high: np.ndarray  # [*action_shape]

    @property
    def action_shape(self) -> tuple[int, ...]:
        return self.low.shape

    @property
    def action_dtype(self) -> tf.DType:
        return tf.float32

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(
            f"{name}_{i}" for name in ("mean", "standard_deviation") for i in range(self.low.size)
        )

    def outputs(
        self, features: keras.KerasTensor, kernel_initializer: keras.Initializer
    ) -> keras.KerasTensor:
        means = keras.layers.Dense(
            self.low.size, kernel_initializer=kernel_initializer, name="mean"
        )(features)
        return AppendLogStandardDeviation(name="log_standard_deviation")(means)

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        means, log_standard_deviations = tf.split(outputs, 2, axis=-1)
        shape = tf.concat([tf.shape(means)[:-1], tf.constant(self.action_shape, tf.int32)], axis=0)
        return tfd.Independent(
            tfd.Normal(
                tf.reshape(means, shape), tf.reshape(tf.exp(log_standard_deviations), shape)
            ),
            reinterpreted_batch_ndims=len(self.action_shape),
        )

    def sample(self, outputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).sample(seed=seed)

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).log_prob(actions)

    def mode(self, outputs: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).mode()

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        means, log_standard_deviations = tf.split(outputs, 2, axis=-1)
        return tf.concat([means, tf.exp(log_standard_deviations)], axis=-1)

    def for_environment(self, actions: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(actions, self.low.astype(np.float32), self.high.astype(np.float32))


class AppendLogStandardDeviation(keras.layers.Layer):
    """Means `[…, n]` → `[…, 2n]`: the means and one learnt log standard deviation for each."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.log_standard_deviation = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", name="value"
        )

    def call(self, means: tf.Tensor) -> tf.Tensor:
        return keras.ops.concatenate(
            [means, keras.ops.broadcast_to(self.log_standard_deviation, keras.ops.shape(means))],
            axis=-1,
        )


def make_head(space: spaces.Space) -> ActionHead:
    """The head for an action space.

    Args:
        space: A Discrete space, or a Box of floats.

    Raises:
        TypeError: For any other space.
    """
    if isinstance(space, spaces.Discrete):
        return CategoricalHead(num_actions=int(space.n), start=int(space.start))
    if isinstance(space, spaces.Box):
        return NormalHead(low=space.low, high=space.high)
    raise TypeError(f"Expected a Discrete or a Box action space. Received: {space}")
