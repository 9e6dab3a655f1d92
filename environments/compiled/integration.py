"""Equations of motion, integrated."""

from collections.abc import Callable

import tensorflow as tf


def runge_kutta(
    derivative: Callable[[tf.Tensor], tf.Tensor], start: tf.Tensor, seconds: float
) -> tf.Tensor:
    """One step of the Runge-Kutta method of order 4.

    A loop over its four slopes has half the operations of the four in a row, and is as fast.

    Args:
        derivative: Of states of the shape of `start` with respect to time in s; the same shape.
        start: The states at the beginning.
        seconds: The length of the step.

    Returns:
        The states at its end, of the shape of `start`.
    """
    reaches = seconds * tf.constant([1 / 2, 1 / 2, 1.0, 0.0])  # to where the next slope is
    weights = seconds * tf.constant([1 / 6, 1 / 3, 1 / 3, 1 / 6])

    def add_slope(
        i: tf.Tensor, states: tf.Tensor, end: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        slope = derivative(states)
        return i + 1, start + reaches[i] * slope, end + weights[i] * slope

    *_, end = tf.while_loop(lambda i, *_: i < 4, add_slope, (tf.constant(0), start, start))
    return end
