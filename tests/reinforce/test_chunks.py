"""Iteration over the valid steps of a batch, in chunks."""

import numpy as np
import pytest
import tensorflow as tf

from reinforce.chunks import fold_chunks

LENGTHS = np.array([3, 1, 7, 1, 1, 2])


def collect_steps(lengths, num_steps, chunk_size, jit_compile=False, known_shape=True):
    """Return the step numbers of each chunk `[N, C]`, their validity `[N, C]`, and the mask."""
    valid = np.arange(num_steps) < lengths[:, None]
    numbers = np.arange(valid.size).reshape(valid.shape)
    num_chunks = -(-lengths.sum() // min(chunk_size, valid.size))
    shape = valid.shape if known_shape else [None, None]

    @tf.function(
        input_signature=[tf.TensorSpec(shape, tf.bool), tf.TensorSpec(shape, tf.int64)],
        jit_compile=jit_compile,
    )
    def collect(valid, numbers):
        def step(chunk, state):
            index, taken, are_valid = state
            taken = taken.write(index, chunk.take(numbers)[0])
            return index + 1, taken, are_valid.write(index, chunk.valid[0])

        arrays = [tf.TensorArray(dtype, int(num_chunks)) for dtype in (tf.int64, tf.bool)]
        _, taken, are_valid = fold_chunks(step, (0, *arrays), valid, chunk_size)
        return taken.stack(), are_valid.stack()

    return *(values.numpy() for values in collect(tf.constant(valid), tf.constant(numbers))), valid


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("chunk_size", [1, 2, 4, 15, 16, 256])
def test_every_valid_step_is_taken_once_and_in_order(chunk_size, jit_compile):
    taken, are_valid, valid = collect_steps(LENGTHS, 8, chunk_size, jit_compile)
    np.testing.assert_array_equal(taken[are_valid], np.flatnonzero(valid))
    assert taken.shape[1] == min(chunk_size, 48)


def test_the_last_chunk_is_padded_with_the_last_valid_step():
    taken, are_valid, valid = collect_steps(LENGTHS, 8, 4)
    assert are_valid.sum() == 15
    assert are_valid[-1].tolist() == [True, True, True, False]
    assert taken[-1, -1] == np.flatnonzero(valid)[-1]


@pytest.mark.parametrize("seed", range(5))
def test_any_lengths_of_any_number_of_episodes(seed):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 21, generator.integers(1, 40))
    taken, are_valid, valid = collect_steps(lengths, 20, 16, known_shape=False)
    np.testing.assert_array_equal(taken[are_valid], np.flatnonzero(valid))
