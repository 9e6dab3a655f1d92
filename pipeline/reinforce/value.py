"""The baseline `value`: what a network predicts of the returns, from observations alone."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from models.normalization import RunningNormalization
from pipeline.reinforce.chunks import CHUNK_SIZE, Chunk, flatten_steps, fold_chunks
from pipeline.reinforce.scatter import write_rows

MINIBATCHES_PER_CALL = 100  # enough for Python not to count, few enough for memory


class ValueBaseline:
    """b_{i,t} = V(s_{i,t}), with V as it was before it is fitted to the batch that it judges.

    Unbiased: V knows earlier batches and the observation that the action was taken at, but neither
    the action nor what followed (`tests/pipeline/reinforce/test_oracle.py`). Fitted first, it would
    know the judged returns. The policy's loss never trains it; it has an optimizer of its own.

    Args:
        network: Observations `[N, O]` → `[N, 1]`.
        optimizer: A Keras optimizer.
        steps_per_update: Steps of the optimizer on each batch, all of the batch in each.
        normalize_targets: Whether the network predicts returns less their running mean, in units of
            their running standard deviation (over the batches so far).

    Source: Williams (1992); Sutton & Barto (2018), section 13.4, "REINFORCE with baseline".
    """

    def __init__(
        self,
        network: keras.Model,
        optimizer: keras.Optimizer,
        *,
        steps_per_update: int,
        normalize_targets: bool,
        chunk_size: int = CHUNK_SIZE,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.steps_per_update = steps_per_update
        self.chunk_size = chunk_size
        self.normalize_targets = normalize_targets
        self.targets = RunningNormalization(name="returns")
        self.targets.build((None, 1))
        self.variables = network.trainable_variables
        optimizer.build(self.variables)
        self._fresh = [v.numpy() for v in (*optimizer.variables, *self.targets.variables)]

    def reset(self) -> None:
        """Forgets what the optimizer and the statistics of returns have seen; keeps the weights."""
        variables = (*self.optimizer.variables, *self.targets.variables)
        for variable, value in zip(variables, self._fresh, strict=True):
            variable.assign(value)

    @property
    def state(self) -> dict[str, list[keras.Variable]]:
        """All that `fit` changes."""
        return {
            "value": self.variables,
            "value_optimizer": self.optimizer.variables,
            "value_targets": self.targets.variables,
        }

    def predict(self, observations: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """V of observations `[B, T, O]`, in the units of the returns: `[B, T]`.

        Only `valid` steps are looked at; the others have 0.
        """

        def predict(chunk: Chunk, values: tf.Tensor) -> tf.Tensor:
            outputs = self._outputs(chunk.take(observations))  # [1, C]
            part = outputs * self._deviation(values.dtype) + self._mean(values.dtype)
            rows = tf.where(chunk.valid, chunk.rows, tf.size(valid))
            return write_rows(values, rows[0], part[0])

        zeros = flatten_steps(tf.zeros(tf.shape(valid), self.variables[0].dtype))
        values = fold_chunks(predict, zeros, valid, self.chunk_size)
        return tf.reshape(values, tf.shape(valid))

    def fit(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """Fits V to a batch, by steps along the gradient of the mean squared error.

        Args:
            observations: `[B, T, O]`.
            returns: `[B, T]`.
            valid: `[B, T]` bool; padding counts for nothing.

        Returns:
            The mean squared error before, in squared units of the returns: a scalar.
        """
        num_valid = tf.cast(tf.math.count_nonzero(valid), returns.dtype)
        errors = tf.where(valid, self.predict(observations, valid) - returns, 0)
        if self.normalize_targets:
            self.targets.update(returns[..., tf.newaxis], valid)
        targets = (returns - self._mean(returns.dtype)) / self._deviation(returns.dtype)

        def add(chunk: Chunk, sums: list[tf.Tensor]) -> list[tf.Tensor]:
            part, target = chunk.take(observations), chunk.take(targets)
            with tf.GradientTape() as tape:
                squares = tf.where(chunk.valid, (self._outputs(part) - target) ** 2, 0)
                loss = tf.reduce_sum(squares) / num_valid
            return [s + g for s, g in zip(sums, tape.gradient(loss, self.variables), strict=True)]

        def step(index: tf.Tensor) -> tuple[tf.Tensor]:
            zeros = [tf.zeros(v.shape, v.dtype) for v in self.variables]
            gradients = fold_chunks(add, zeros, valid, self.chunk_size)
            self.optimizer.apply(gradients, self.variables)
            return (index + 1,)

        tf.while_loop(lambda index: index < self.steps_per_update, step, (0,))
        return tf.reduce_sum(errors**2) / num_valid

    def _outputs(self, observations: tf.Tensor) -> tf.Tensor:
        flat = self.network(tf.reshape(observations, [-1, observations.shape[-1]]))  # [B T, 1]
        return tf.reshape(flat, tf.shape(observations)[:-1])

    def _mean(self, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(self.targets.mean[0], dtype)

    def _deviation(self, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(self.targets.deviation[0], dtype)


def compile_fit(
    value: ValueBaseline, num_minibatches: int, minibatch_size: int
) -> Callable[[np.ndarray, np.ndarray, np.random.Generator], None]:
    """What fits V to steps in any order, by `fit` to one minibatch of them after the other.

    XLA compiles it, once for any number of steps, and goes through many minibatches in one call.

    Args:
        value: V; how many steps of its optimizer each minibatch gets is for it to say.
        num_minibatches: How many; rounded up to a multiple of 100.
        minibatch_size: Steps in each, drawn with replacement.

    Returns:
        A function of observations `[N, O]`, their returns `[N]` and what draws the minibatches.
    """
    shape = (MINIBATCHES_PER_CALL, 1, minibatch_size)
    valid = tf.fill(shape[1:], True)

    @tf.function(jit_compile=True, autograph=False)
    def fit_to_all(observations: tf.Tensor, returns: tf.Tensor) -> None:
        def fit(index: tf.Tensor) -> tuple[tf.Tensor]:
            value.fit(observations[index], returns[index], valid)
            return (index + 1,)

        tf.while_loop(lambda index: index < MINIBATCHES_PER_CALL, fit, (0,))

    def fit_to(
        observations: np.ndarray, returns: np.ndarray, generator: np.random.Generator
    ) -> None:
        for _ in range(0, num_minibatches, MINIBATCHES_PER_CALL):
            drawn = generator.integers(len(returns), size=shape)
            fit_to_all(tf.constant(observations[drawn]), tf.constant(returns[drawn]))

    return fit_to
