"""Normalization by running statistics, as a layer: an exported policy includes its statistics."""

import keras
import tensorflow as tf

MAX_NORMALIZED = 10.0  # else a component that has hardly varied yet could become arbitrarily large


class RunningNormalization(keras.layers.Layer):
    """A layer that subtracts the running mean and divides by the running standard deviation.

        x → clip((x − mean) / deviation, −10, 10)

    The statistics cover all values passed to `update` so far; before the first, the layer is the
    identity. Only `update` changes them; they are not trained. They are exact (not exponentially
    weighted) and stored in float64.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        size = input_shape[-1]
        # Without this check, an input with one component would be broadcast.
        self.input_spec = keras.layers.InputSpec(axes={-1: size})

        def weight(name: str, shape: tuple[int | None, ...], initializer: str) -> keras.Variable:
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, dtype="float64", trainable=False
            )

        self.mean = weight("mean", (size,), "zeros")
        self.variance = weight("variance", (size,), "ones")
        self.count = weight("count", (), "zeros")

    @property
    def deviation(self) -> tf.Tensor:
        """Standard deviation of each component, `[O]` float64, always above 0."""
        return keras.ops.sqrt(self.variance + 1e-8)

    def call(self, values: tf.Tensor) -> tf.Tensor:
        mean = keras.ops.cast(self.mean, values.dtype)
        deviation = keras.ops.cast(self.deviation, values.dtype)
        normalized = keras.ops.clip((values - mean) / deviation, -MAX_NORMALIZED, MAX_NORMALIZED)
        return keras.ops.where(self.count > 0, normalized, values)

    def update(self, values: tf.Tensor, valid: tf.Tensor) -> None:
        """Add values to the running statistics.

            count' = count + n
            mean' = mean + (m − mean) n / count'
            variance' = (count · variance + Σ (x − m)² + (m − mean)² · count · n / count') / count'

        n and m are the number and the mean of the new values x.

        Args:
            values: `[…, O]`.
            valid: `[…]` bool; values on padding are ignored.

        Source: Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for
        computing sample variances".
        """
        mask = tf.cast(valid, tf.float64)[..., tf.newaxis]  # […, 1]
        values = tf.where(valid[..., tf.newaxis], tf.cast(values, tf.float64), 0)
        axes = list(range(values.shape.rank - 1))
        count = tf.reduce_sum(mask)
        mean = tf.reduce_sum(values, axes) / count  # [O]
        squares = tf.reduce_sum(mask * (values - mean) ** 2, axes)
        before = tf.convert_to_tensor(self.count)
        total = before + count
        difference = mean - self.mean
        squares += before * self.variance + difference**2 * before * count / total
        self.mean.assign(self.mean + difference * count / total)
        self.variance.assign(squares / total)
        self.count.assign(total)
