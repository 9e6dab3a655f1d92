"""The baseline `value`: what a network predicts of the returns, from observations alone."""

import keras
import tensorflow as tf

from models.normalization import RunningNormalization


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
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.steps_per_update = steps_per_update
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

    def predict(self, observations: tf.Tensor) -> tf.Tensor:
        """V of observations `[B, T, O]`, in the units of the returns: `[B, T]`."""
        values = self._outputs(observations)
        return values * self._deviation(values.dtype) + self._mean(values.dtype)

    def fit(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """Fits V to a batch, by steps along the gradient of the mean squared error.

        Args:
            observations: `[B, T, O]`.
            returns: `[B, T]`.
            valid: `[B, T]` bool; padding counts for nothing.

        Returns:
            The mean squared error before, in squared units of the returns: a scalar.
        """
        error = _mean_square(self.predict(observations) - returns, valid)
        if self.normalize_targets:
            self.targets.update(returns[..., tf.newaxis], valid)
        targets = (returns - self._mean(returns.dtype)) / self._deviation(returns.dtype)

        def step(index: tf.Tensor) -> tuple[tf.Tensor]:
            with tf.GradientTape() as tape:
                loss = _mean_square(self._outputs(observations) - targets, valid)
            self.optimizer.apply(tape.gradient(loss, self.variables), self.variables)
            return (index + 1,)

        tf.while_loop(lambda index: index < self.steps_per_update, step, (0,))
        return error

    def _outputs(self, observations: tf.Tensor) -> tf.Tensor:
        flat = self.network(tf.reshape(observations, [-1, observations.shape[-1]]))  # [B T, 1]
        return tf.reshape(flat, tf.shape(observations)[:-1])

    def _mean(self, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(self.targets.mean[0], dtype)

    def _deviation(self, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(self.targets.deviation[0], dtype)


def _mean_square(errors: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Mean over the valid steps of `[B, T]`."""
    squares = tf.where(valid, errors**2, 0)
    return tf.reduce_sum(squares) / tf.cast(tf.math.count_nonzero(valid), squares.dtype)
