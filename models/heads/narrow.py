"""The last layer of a policy network, which has few units: one or two for each action."""

import keras
import tensorflow as tf

WIDTH = 8  # columns; XLA computes matrix products of this width fast


class NarrowDense(keras.layers.Dense):
    """A linear layer with few units, whose gradient XLA computes fast on a CPU.

    XLA evaluates matrix products with two or three columns one element at a time. For the gradient
    of a kernel with few columns, it first copies all inputs to another layout. Therefore, during
    training, the layer multiplies by the transposed kernel, padded with zeros to eight rows. The
    outputs equal those of Dense up to rounding.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training or not 1 < self.units < WIDTH:
            return super().call(inputs)
        rows = tf.pad(tf.transpose(self.kernel), [[0, WIDTH - self.units], [0, 0]])  # [8, F]
        return tf.matmul(inputs, rows, transpose_b=True)[..., : self.units] + self.bias
