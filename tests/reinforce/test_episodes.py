"""Batches of episodes: writing rows, and checking shapes and dtypes."""

import numpy as np
import pytest
import tensorflow as tf

from reinforce.episodes import check_layout, write_rows


@pytest.mark.parametrize("jit_compile", [False, True])
def test_rows_are_written_and_indices_out_of_range_are_ignored(jit_compile):
    write = tf.function(write_rows, jit_compile=jit_compile)
    rows = np.arange(8.0).reshape(4, 2)
    values = np.array([[10.0, 11.0], [20.0, 21.0], [30.0, 31.0]])
    written = write(tf.constant(rows), tf.constant([2, 4, 0]), tf.constant(values))
    np.testing.assert_array_equal(written, [[30, 31], [2, 3], [10, 11], [6, 7]])


REWARDS = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize("valid", [np.ones(2, bool), np.ones((3, 2), bool), np.ones((2, 1), bool)])
def test_steps_of_another_shape_are_refused(valid):
    check_layout(rewards=REWARDS, valid=np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="invalid shape for `valid`, expected .*2, 3"):
        check_layout(rewards=REWARDS, valid=valid)


@pytest.mark.parametrize(
    ("name", "dtype", "expected"),
    [("rewards", np.int32, "a float"), ("rewards", bool, "a float"), ("valid", np.float32, "bool")],
)
def test_steps_of_another_dtype_are_refused(name, dtype, expected):
    steps = {"rewards": REWARDS, "valid": np.ones((2, 3), bool)}
    with pytest.raises(TypeError, match=f"invalid dtype for `{name}`, expected {expected}"):
        check_layout(**steps | {name: steps[name].astype(dtype)})


def test_the_rank_is_checked_even_if_no_size_is_known():
    check = tf.function(lambda rewards: check_layout(rewards=rewards))
    check.get_concrete_function(tf.TensorSpec([None, None]))
    with pytest.raises(ValueError, match=r"invalid shape for `rewards`, expected \[B, T\]"):
        check.get_concrete_function(tf.TensorSpec([None]))
