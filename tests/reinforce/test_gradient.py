"""Gradients accumulated over chunks of steps."""

import numpy as np
import pytest
import tensorflow as tf

from reinforce.gradient import sum_gradients


@pytest.mark.parametrize("chunk_size", [1, 2, 4, 16])
def test_gradients_of_two_losses_and_a_sum_by_hand(chunk_size):
    # Valid steps: x = 1, 2 and 5. Losses: Σ w x² and Σ v² x at w = 3, v = 2. ∂/∂w of the first is
    # 1 + 4 + 25 = 30, ∂/∂v of the second 2 · 2 · (1 + 2 + 5) = 32. The additional sum is Σ x = 8.
    w, v = tf.Variable(3.0), tf.Variable(2.0)
    values = tf.constant([[1.0, 2.0], [5.0, 100.0]])
    valid = np.array([[True, True], [True, False]])

    def losses(chunk):
        x = tf.where(chunk.valid, chunk.take(values), 0)
        return [tf.reduce_sum(w * x**2 + 0 * v), tf.reduce_sum(v**2 * x + 0 * w)], tf.reduce_sum(x)

    gradients, total = sum_gradients(losses, [w, v], valid, chunk_size, tf.constant(0.0), 2)
    assert [[float(part) for part in parts] for parts in gradients] == [[30, 0], [0, 32]]
    assert float(total) == 8
