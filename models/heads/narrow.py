"""The last layer of a policy network: of few units, one or two for each action."""

import keras
import tensorflow as tf

WIDTH = 8  # a matrix product of as many columns is a fast one


class NarrowDense(keras.layers.Dense):
    """A linear layer whose gradient XLA computes fast on a processor, although its units are few.

    Of products of two or three columns XLA computes one number after the other, and for the
    gradient of a kernel with few columns it first lays out all inputs anew. While training, what is
    multiplied is therefore the kernel lying on its side, filled up with zeros to eight rows. That
    makes the outputs of Dense, but for rounding.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training or not 1 < self.units < WIDTH:
            return super().call(inputs)
        rows = tf.pad(tf.transpose(self.kernel), [[0, WIDTH - self.units], [0, 0]])  # [8, F]
        return tf.matmul(inputs, rows, transpose_b=True)[..., : self.units] + self.bias
