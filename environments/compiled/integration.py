"""Numerical integration of equations of motion."""

from collections.abc import Callable

import tensorflow as tf


def runge_kutta(
    derivative: Callable[[tf.Tensor], tf.Tensor], start: tf.Tensor, seconds: float
) -> tf.Tensor:
    """Take one step of the fourth-order Runge-Kutta method.

    A loop over the four slopes needs half the operations of unrolled code, and is as fast.

    Args:
        derivative: Maps states to their derivative with respect to time in s; both have the shape
            of `start`.
        start: The states at the start of the step.
        seconds: The length of the step.

    Returns:
        The states at the end of the step, of the shape of `start`.
    """
    offsets = seconds * tf.constant([1 / 2, 1 / 2, 1.0, 0.0])  # from the start to the next slope
    weights = seconds * tf.constant([1 / 6, 1 / 3, 1 / 3, 1 / 6])

    def add_slope(
        i: tf.Tensor, states: tf.Tensor, end: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        slope = derivative(states)
        return i + 1, start + offsets[i] * slope, end + weights[i] * slope

    *_, end = tf.while_loop(lambda i, *_: i < 4, add_slope, (tf.constant(0), start, start))
    return end
