"""Actions by a seed."""

import tensorflow as tf


def sample(head, outputs, seed):
    """Outputs `[…, P]`, stateless seed `[2]` → actions `[…, *action_shape]`."""
    return head.sample(outputs, head.noise(tf.shape(outputs)[:-1], seed))
