"""MultiBinary actions: independent Bernoullis."""

import math
from dataclasses import dataclass

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from models.heads.narrow import NarrowDense
from models.heads.shapes import Shape, join_shapes, unflatten


@dataclass(frozen=True)
class BernoulliHead:
    """A head for actions of n = prod(action_shape) zeros and ones. Outputs: n logits of a one."""

    action_shape: tuple[int, ...]
    environment_dtype: tf.DType
    mask_sizes = ()

    @property
    def action_dtype(self) -> tf.DType:
        return tf.int64

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(f"probability_{i}_1" for i in range(math.prod(self.action_shape)))

    def outputs(
        self, features: keras.KerasTensor, kernel_initializer: keras.Initializer
    ) -> keras.KerasTensor:
        return NarrowDense(
            math.prod(self.action_shape), kernel_initializer=kernel_initializer, name="logits"
        )(features)

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(
            tfd.Bernoulli(logits=unflatten(outputs, self.action_shape), dtype=tf.int64),
            reinterpreted_batch_ndims=len(self.action_shape),
        )

    def noise(self, shape: Shape, seed: tf.Tensor, algorithm: str = "auto_select") -> tf.Tensor:
        # The distribution's own sampler may depend on the number of threads, as Categorical's does.
        # Uniform draws do not.
        return tf.random.stateless_uniform(
            join_shapes(shape, self.action_shape), seed, alg=algorithm
        )

    def sample(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        # P(u < p) = p for uniform u.
        probabilities = tf.sigmoid(unflatten(outputs, self.action_shape))
        return tf.cast(tf.cast(noise, outputs.dtype) < probabilities, tf.int64)

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).log_prob(actions)

    def entropy(self, outputs: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).entropy()

    def mode(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.cast(unflatten(outputs, self.action_shape) > 0, tf.int64)

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(outputs)

    def for_environment(self, actions: tf.Tensor) -> tf.Tensor:
        return tf.cast(actions, self.environment_dtype)
