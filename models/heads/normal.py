"""Box actions: independent Normals, clipped to the bounds on their way into the environment."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from models.heads.narrow import NarrowDense
from models.heads.shapes import Shape, joined, unflatten


@dataclass(frozen=True)
class NormalHead:
    """Box actions, n = prod(shape) independent Normals; outputs: n means, n log deviations.

    The standard deviations begin at 1 (close to it, where they depend on the state). An action is
    scored as it was sampled and clipped to `[low, high]` only on its way into the environment:
    clipping is part of the environment, so the policy gradient needs no correction for it.
    """

    low: np.ndarray  # [*action_shape] in the space's type, −∞ where unbounded
    high: np.ndarray  # [*action_shape]
    state_dependent: bool = False  # the standard deviations; else they are learnt, one for each
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
        if self.state_dependent:
            return NarrowDense(
                2 * self.low.size,
                kernel_initializer=kernel_initializer,
                name="mean_and_log_standard_deviation",
            )(features)
        means = NarrowDense(self.low.size, kernel_initializer=kernel_initializer, name="mean")(
            features
        )
        return AppendLogStandardDeviation(name="log_standard_deviation")(means)

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
        return tf.random.stateless_normal(joined(shape, self.action_shape), seed, alg=algorithm)

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
        # Cast first: as float32, a bound such as 0.1 of a float64 space lies outside the space.
        return tf.clip_by_value(tf.cast(actions, self.low.dtype), self.low, self.high)


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
