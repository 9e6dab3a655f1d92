"""Between the components of an action, one after the other, and the action's own shape."""

import tensorflow as tf


def unflatten(components: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Splits the last axis: `[…, prod(shape)]` → `[…, *shape]`."""
    leading = tf.shape(components)[:-1]
    return tf.reshape(components, tf.concat([leading, tf.constant(shape, tf.int32)], axis=0))
