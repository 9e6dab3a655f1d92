"""Sampling from a head with a seed."""

import tensorflow as tf


def sample(head, outputs, seed):
    """Sample actions `[…, *action_shape]`, given outputs `[…, P]` and a stateless seed `[2]`."""
    return head.sample(outputs, head.noise(tf.shape(outputs)[:-1], seed))
