"""Writing rows where they belong."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.reinforce.scatter import write_rows


@pytest.mark.parametrize("jit_compile", [False, True])
def test_rows_are_written_and_an_index_beyond_them_is_not(jit_compile):
    write = tf.function(write_rows, jit_compile=jit_compile)
    rows = np.arange(8.0).reshape(4, 2)
    values = np.array([[10.0, 11.0], [20.0, 21.0], [30.0, 31.0]])
    written = write(tf.constant(rows), tf.constant([2, 4, 0]), tf.constant(values))
    np.testing.assert_array_equal(written, [[30, 31], [2, 3], [10, 11], [6, 7]])
