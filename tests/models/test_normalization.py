"""Running statistics of observations."""

import numpy as np
import pytest
import tensorflow as tf

from models.normalization import RunningNormalization


def make_layer(size=2):
    layer = RunningNormalization()
    layer.build((None, size))
    return layer


def batches(num, seed=0):
    """Yield batches of values `[B, T, 2]` and their masks `[B, T]`."""
    generator = np.random.default_rng(seed)
    for _ in range(num):
        values = generator.normal([5.0, -300.0], [2.0, 0.1], size=(3, 7, 2)).astype(np.float32)
        valid = np.arange(7) < generator.integers(1, 8, size=(3, 1))
        values[~valid] = 1e6
        yield values, valid


def test_it_is_the_identity_before_the_first_update():
    values = tf.constant([[1e5, -3.25], [0.0, 1e-30]])  # normalized values would be clipped to ±10
    np.testing.assert_array_equal(make_layer()(values), values)


def test_statistics_are_those_of_all_valid_values():
    layer = make_layer()
    parts = []
    for values, valid in batches(5):
        layer.update(tf.constant(values), tf.constant(valid))
        parts.append(values[valid])
        all_values = np.concatenate(parts).astype(np.float64)
        np.testing.assert_allclose(layer.mean, all_values.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(layer.variance, all_values.var(axis=0), rtol=1e-9)
        assert float(layer.count) == len(all_values)
    normalized = layer(tf.constant(all_values.astype(np.float32))).numpy()
    np.testing.assert_allclose(normalized.mean(axis=0), [0, 0], atol=1e-3)
    np.testing.assert_allclose(normalized.std(axis=0), [1, 1], rtol=1e-3)


def test_a_small_spread_far_from_zero_is_not_lost_to_rounding():
    # Sums of float32 squares would lose the variance of 1e5 ± 0.01 completely.
    layer = make_layer(1)
    values = 1e5 + 0.01 * np.random.default_rng(0).normal(size=(4, 100, 1))
    for part in values:
        layer.update(tf.constant(part), tf.ones(100, bool))
    np.testing.assert_allclose(layer.variance, [values.var()], rtol=1e-6)


def test_a_component_that_never_varied_is_not_blown_up():
    layer = make_layer(1)
    layer.update(tf.fill([10, 1], 3.0), tf.ones(10, bool))
    np.testing.assert_array_equal(layer(tf.constant([[3.0], [4.0], [2.0]])), [[0], [10], [-10]])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_updates_are_the_same(jit_compile):
    eager, compiled = make_layer(), make_layer()
    update = tf.function(compiled.update, jit_compile=jit_compile)
    for values, valid in batches(3):
        eager.update(tf.constant(values), tf.constant(valid))
        update(tf.constant(values), tf.constant(valid))
    for one, other in zip(eager.variables, compiled.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_statistics_are_not_trainable():
    assert not make_layer().trainable_variables


def test_values_of_another_width_are_refused():
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 2"):
        make_layer()(tf.zeros((3, 1)))
