"""Between the components of an action, one after the other, and the action's own shape."""

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf

Shape: TypeAlias = Sequence[int] | tf.Tensor  # integers, or a tensor of rank 1


def unflatten(components: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Splits the last axis: `[…, prod(shape)]` → `[…, *shape]`."""
    return tf.reshape(components, joined(tf.shape(components)[:-1], shape))


def joined(leading: Shape, shape: tuple[int, ...]) -> tf.Tensor:
    """The shape `[*leading, *shape]`."""
    return tf.concat([tf.cast(leading, tf.int32), tf.constant(shape, tf.int32)], axis=0)
