"""Box actions: independent Normals, clipped to the bounds before the environment receives them."""

import math
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from models.heads.narrow import NarrowDense
from models.heads.shapes import Shape, join_shapes, unflatten


@dataclass(frozen=True)
class NormalHead:
    """A head for Box actions: n = prod(action_shape) independent Normals.

    The outputs are n means and n log standard deviations. If the standard deviations depend on the
    state, the initial ones are only close to `initial_standard_deviation`.

    Log-probabilities are those of the sampled action, before it is clipped to `[low, high]` for the
    environment. Clipping thus counts as part of the environment, and the policy gradient needs no
    correction for it.
    """

    low: np.ndarray  # [*action_shape] in the space's dtype, −∞ where unbounded
    high: np.ndarray  # [*action_shape]
    # Whether the standard deviations are a function of the state, or one learned number each.
    state_dependent: bool = False
    initial_standard_deviation: float = 1.0  # in units of the action, before it is clipped
    mask_sizes = ()

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
        size, log = self.low.size, math.log(self.initial_standard_deviation)
        if self.state_dependent:
            return NarrowDense(
                2 * size,
                kernel_initializer=kernel_initializer,
                bias_initializer=lambda shape, dtype: np.repeat([0, log], size).astype(dtype),
                name="mean_and_log_standard_deviation",
            )(features)
        means = NarrowDense(size, kernel_initializer=kernel_initializer, name="mean")(features)
        return AppendLogStandardDeviation(log, name="log_standard_deviation")(means)

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        means, log_standard_deviations = tf.split(outputs, 2, axis=-1)
        return tfd.Independent(
            tfd.Normal(
                unflatten(means, self.action_shape),
                unflatten(tf.exp(log_standard_deviations), self.action_shape),
            ),
            reinterpreted_batch_ndims=len(self.action_shape),
        )

    def noise(self, shape: Shape, seed: tf.Tensor, algorithm: str = "auto_select") -> tf.Tensor:
        return tf.random.stateless_normal(
            join_shapes(shape, self.action_shape), seed, alg=algorithm
        )

    def sample(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        normal = self.distribution(outputs)
        return normal.mean() + normal.stddev() * tf.cast(noise, outputs.dtype)

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).log_prob(actions)

    def entropy(self, outputs: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).entropy()

    def mode(self, outputs: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).mode()

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        means, log_standard_deviations = tf.split(outputs, 2, axis=-1)
        return tf.concat([means, tf.exp(log_standard_deviations)], axis=-1)

    def for_environment(self, actions: tf.Tensor) -> tf.Tensor:
        # Cast before clipping: in a float64 space with bound 0.1, float32(0.1) is out of bounds.
        return tf.clip_by_value(tf.cast(actions, self.low.dtype), self.low, self.high)


class AppendLogStandardDeviation(keras.layers.Layer):
    """A layer that appends one learned log standard deviation per mean: `[…, n]` → `[…, 2n]`.

    Args:
        initial: The initial log standard deviation of all means.
        name: The layer's name.
    """

    def __init__(self, initial: float, name: str) -> None:
        super().__init__(name=name)
        self.initial = initial

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.log_standard_deviation = self.add_weight(
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.initial),
            name="value",
        )

    def call(self, means: tf.Tensor) -> tf.Tensor:
        return keras.ops.concatenate(
            [means, keras.ops.broadcast_to(self.log_standard_deviation, keras.ops.shape(means))],
            axis=-1,
        )
