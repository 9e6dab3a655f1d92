"""The matrix products of a compiled function."""

import tensorflow as tf


def kernels(function, shape):
    """The shape of what inputs of `shape` are multiplied with, product after product."""
    compiled = tf.function(function).get_concrete_function(tf.TensorSpec(shape))
    operations = compiled.graph.get_operations()
    return [o.inputs[1].shape.as_list() for o in operations if o.type == "MatMul"]
