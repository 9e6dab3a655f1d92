"""Writing rows into a tensor, where they belong."""

import tensorflow as tf


def write_rows(rows: tf.Tensor, index: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`rows[index[n]] = values[n]` for each n; an index that is none of `rows` writes nothing.

    Args:
        rows: `[M, …]`.
        index: `[N]` int32, no two of them the same.
        values: `[N, …]`.

    Returns:
        `[M, …]`; where XLA compiles it, in the place of `rows`.
    """
    return tf.raw_ops.TensorScatterUpdate(
        tensor=rows, indices=index[:, tf.newaxis], updates=values, bad_indices_policy="IGNORE"
    )
