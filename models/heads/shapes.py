"""Conversions between an action's flat components and its shape."""

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf

Shape: TypeAlias = Sequence[int] | tf.Tensor  # integers, or a tensor of rank 1


def unflatten(components: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Split the last axis: `[…, prod(shape)]` → `[…, *shape]`."""
    return tf.reshape(components, join_shapes(tf.shape(components)[:-1], shape))


def join_shapes(leading: Shape, shape: tuple[int, ...]) -> tf.Tensor:
    """Return the shape `[*leading, *shape]`."""
    return tf.concat([tf.cast(leading, tf.int32), tf.constant(shape, tf.int32)], axis=0)
