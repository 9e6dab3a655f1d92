"""Discrete and MultiDiscrete actions: Categoricals."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from models.heads.narrow import NarrowDense
from models.heads.shapes import Shape, join_shapes

MAX_COMPARED = 16  # actions; up to this many, the largest logit is found by comparisons
# Logit of a value that is illegal or does not exist. It is lower than any logit of a network, but
# finite: with −∞, a gradient would contain 0 · ∞ = NaN.
MISSING = -1e30


@dataclass(frozen=True)
class CategoricalHead:
    """A head for Discrete actions `start … start + num_actions − 1`. Outputs: their logits."""

    num_actions: int
    start: int = 0
    environment_dtype: tf.DType = tf.int64
    masked: bool = False  # whether the environment reports which actions are legal

    @property
    def mask_sizes(self) -> tuple[int, ...]:
        return (self.num_actions,) * self.masked

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
        return NarrowDense(self.num_actions, kernel_initializer=kernel_initializer, name="logits")(
            features
        )

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        return tfd.Categorical(logits=outputs, dtype=tf.int64)

    def noise(self, shape: Shape, seed: tf.Tensor, algorithm: str = "auto_select") -> tf.Tensor:
        return _gumbel_noise(join_shapes(shape, (self.num_actions,)), seed, algorithm)

    def sample(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        return self.start + _gumbel_max(outputs, noise)

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        log_prob = self.distribution(outputs).log_prob(actions - self.start)
        return _minus_infinity_if_illegal(log_prob) if self.masked else log_prob

    def entropy(self, outputs: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).entropy()

    def mode(self, outputs: tf.Tensor) -> tf.Tensor:
        return self.start + tf.argmax(outputs, axis=-1)

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(outputs)

    def for_environment(self, actions: tf.Tensor) -> tf.Tensor:
        return tf.cast(actions, self.environment_dtype)


@dataclass(frozen=True)
class MultiCategoricalHead:
    """A head for MultiDiscrete actions: an independent Categorical for each component.

    Component i takes the values `start[i] … start[i] + num_values[i] − 1`. The outputs are the
    logits of all values, component by component: P = sum(num_values).
    """

    num_values: np.ndarray  # [*action_shape] int64
    start: np.ndarray  # [*action_shape] int64
    environment_dtype: tf.DType
    masked: bool = False  # whether the environment reports which values are legal

    @property
    def mask_sizes(self) -> tuple[int, ...]:
        return tuple(self.num_values.ravel().tolist()) * self.masked

    @property
    def action_shape(self) -> tuple[int, ...]:
        return self.num_values.shape

    @property
    def action_dtype(self) -> tf.DType:
        return tf.int64

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(
            f"probability_{i}_{start + a}"
            for i, (start, size) in enumerate(
                zip(self.start.flat, self.num_values.flat, strict=True)
            )
            for a in range(size)
        )

    def outputs(
        self, features: keras.KerasTensor, kernel_initializer: keras.Initializer
    ) -> keras.KerasTensor:
        return NarrowDense(
            int(self.num_values.sum()), kernel_initializer=kernel_initializer, name="logits"
        )(features)

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        """Return the distribution over actions minus `start`, with batch shape `[…]`."""
        return tfd.Independent(
            tfd.Categorical(logits=self._logits(outputs), dtype=tf.int64),
            reinterpreted_batch_ndims=len(self.action_shape),
        )

    def noise(self, shape: Shape, seed: tf.Tensor, algorithm: str = "auto_select") -> tf.Tensor:
        logits = (*self.action_shape, int(self.num_values.max()))
        return _gumbel_noise(join_shapes(shape, logits), seed, algorithm)

    def sample(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        return self.start + _gumbel_max(self._logits(outputs), noise)

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        log_prob = self.distribution(outputs).log_prob(actions - self.start)
        return _minus_infinity_if_illegal(log_prob) if self.masked else log_prob

    def entropy(self, outputs: tf.Tensor) -> tf.Tensor:
        return self.distribution(outputs).entropy()

    def mode(self, outputs: tf.Tensor) -> tf.Tensor:
        return self.start + tf.argmax(self._logits(outputs), axis=-1)

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        components = tf.split(outputs, self.num_values.flatten(), axis=-1)
        return tf.concat([tf.nn.softmax(logits) for logits in components], axis=-1)

    def for_environment(self, actions: tf.Tensor) -> tf.Tensor:
        return tf.cast(actions, self.environment_dtype)

    def _logits(self, outputs: tf.Tensor) -> tf.Tensor:
        """Arrange outputs `[…, P]` as logits `[…, *action_shape, V]`, V = max(num_values)."""
        value = np.arange(self.num_values.max())  # [V]
        exists = value < self.num_values[..., None]  # [*action_shape, V]
        first = np.cumsum(self.num_values) - self.num_values.flat  # of each component's outputs
        column = first.reshape(self.action_shape)[..., None] + value  # [*action_shape, V]
        logits = tf.gather(outputs, np.where(exists, column, 0), axis=-1)
        return tf.where(exists, logits, tf.constant(MISSING, outputs.dtype))


def mask_logits(logits: tf.Tensor, mask: tf.Tensor, sizes: Sequence[int]) -> tf.Tensor:
    """Mask the logits of illegal actions: their probability and their gradient become 0.

    Args:
        logits: `[…, P]`, outputs of a network.
        mask: `[…, P]`, above 0 where an action is legal.
        sizes: Number of values of each component of an action; they sum to P.

    Returns:
        `[…, P]`. The logits of a component without any legal value are NaN, because no distribution
        exists.

    Source: Huang & Ontañón (2022), "A closer look at invalid action masking in policy gradient
    algorithms".
    """
    components = []
    for values, legal in zip(
        tf.split(logits, sizes, axis=-1), tf.split(mask > 0, sizes, axis=-1), strict=True
    ):
        has_any = tf.reduce_any(legal, axis=-1, keepdims=True)
        illegal = tf.where(has_any, tf.constant(MISSING, logits.dtype), np.nan)
        components.append(tf.where(legal, values, illegal))
    return tf.concat(components, axis=-1)


def _minus_infinity_if_illegal(log_prob: tf.Tensor) -> tf.Tensor:
    return tf.where(log_prob < MISSING / 2, tf.constant(-np.inf, log_prob.dtype), log_prob)


def _gumbel_noise(shape: tf.Tensor, seed: tf.Tensor, algorithm: str) -> tf.Tensor:
    """Draw standard Gumbel noise −log(−log u), u uniform and above 0, with a seed `[2]`."""
    tiny = np.finfo(np.float32).tiny
    uniform = tf.random.stateless_uniform(shape, seed, minval=tiny, alg=algorithm)
    return -tf.math.log(-tf.math.log(uniform))


def _gumbel_max(logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Sample a Categorical: logits and Gumbel noise `[…, A]` → `[…]` in 0 … A − 1.

    The samples of TFP's Categorical depend on the number of threads. Noise made from uniform draws
    does not.

    Source: Maddison et al. (2014), the Gumbel-max trick.
    """
    return _argmax(logits + tf.cast(noise, logits.dtype))


def _argmax(values: tf.Tensor) -> tf.Tensor:
    """Return the index of the first largest value: `[…, A]` → `[…]` int64.

    With few actions the values are compared one by one. On a GPU, XLA fuses comparisons with the
    operations before and after them, whereas a reduction needs its own kernel.
    """
    if values.shape[-1] > MAX_COMPARED:
        return tf.argmax(values, axis=-1)
    largest, *others = tf.unstack(values, axis=-1)
    index = tf.zeros_like(largest, tf.int64)
    for action, value in enumerate(others, start=1):
        index = tf.where(value > largest, tf.constant(action, tf.int64), index)
        largest = tf.maximum(largest, value)
    return index
