"""Inspection of the matrix products in a compiled function."""

import tensorflow as tf


def kernels(function, shape):
    """Return the shape of the right operand of each matrix product, for inputs of `shape`."""
    compiled = tf.function(function).get_concrete_function(tf.TensorSpec(shape))
    operations = compiled.graph.get_operations()
    return [o.inputs[1].shape.as_list() for o in operations if o.type == "MatMul"]
