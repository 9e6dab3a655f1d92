"""Normalisation by running statistics: part of the network, so that it travels with the policy."""

import keras
import tensorflow as tf

MAX_NORMALIZED = 10.0  # a component that hardly ever varied would otherwise be blown up without end


class RunningNormalization(keras.layers.Layer):
    """x → (x − mean) / deviation, of all that `update` has been shown; the identity before that.

    Mean and variance do not change but by `update`, and are not trained. Normalised components are
    clipped to ±10. The statistics are exact, not exponentially weighted, and kept in float64.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        size = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(axes={-1: size})  # else one of them is broadcast

        def weight(name: str, shape: tuple[int | None, ...], initializer: str) -> keras.Variable:
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, dtype="float64", trainable=False
            )

        self.mean = weight("mean", (size,), "zeros")
        self.variance = weight("variance", (size,), "ones")
        self.count = weight("count", (), "zeros")

    @property
    def deviation(self) -> tf.Tensor:
        """Standard deviation of each component, `[O]` float64, kept off 0."""
        return keras.ops.sqrt(self.variance + 1e-8)

    def call(self, values: tf.Tensor) -> tf.Tensor:
        mean = keras.ops.cast(self.mean, values.dtype)
        deviation = keras.ops.cast(self.deviation, values.dtype)
        normalized = keras.ops.clip((values - mean) / deviation, -MAX_NORMALIZED, MAX_NORMALIZED)
        return keras.ops.where(self.count > 0, normalized, values)

    def update(self, values: tf.Tensor, valid: tf.Tensor) -> None:
        """Counts values into the statistics.

        Args:
            values: `[…, O]`.
            valid: `[…]` bool; what is not valid does not count.

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
