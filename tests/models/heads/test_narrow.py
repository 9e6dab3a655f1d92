"""The narrow last layer: same outputs and gradients as Dense, other matrix products."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.heads.narrow import NarrowDense
from tests.models.products import kernels


@pytest.mark.parametrize("units", [1, 2, 3, 7, 8, 9])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_changes_neither_outputs_nor_gradients(units, jit_compile):
    generator = np.random.default_rng(units)
    features = tf.constant(generator.normal(size=(5, 4, 16)))
    weights = tf.constant(generator.normal(size=(5, 4, units)))
    layer = NarrowDense(units, dtype="float64")
    layer.build(features.shape)
    layer.set_weights([generator.normal(size=(16, units)), generator.normal(size=units)])
    expected = features.numpy() @ layer.kernel.numpy() + layer.bias.numpy()

    @tf.function(jit_compile=jit_compile)
    def outputs_and_gradients(training):
        with tf.GradientTape() as tape:
            tape.watch(features)
            outputs = layer(features, training=training)
            objective = tf.reduce_sum(weights * outputs)
        return outputs, *tape.gradient(objective, [features, *layer.trainable_variables])

    plain, trained = outputs_and_gradients(False), outputs_and_gradients(True)
    for values, others in zip(plain, trained, strict=True):
        assert values.shape == others.shape
        np.testing.assert_allclose(values, others, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(trained[0], expected, rtol=1e-12, atol=1e-12)
    columns = features.numpy().reshape(-1, 16), weights.numpy().reshape(-1, units)
    np.testing.assert_allclose(trained[2], columns[0].T @ columns[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("units", "training", "expected"),
    [
        (2, True, [8, 16]),  # the transposed kernel, padded to 8 rows
        (7, True, [8, 16]),
        (2, False, [16, 2]),
        (1, True, [16, 1]),
        (8, True, [16, 8]),
    ],
)
def test_the_kernel_is_transposed_and_padded_in_training_only(units, training, expected):
    inputs = keras.Input((16,))
    model = keras.Model(inputs, NarrowDense(units)(inputs))
    assert kernels(lambda x: model(x, training=training), [4, 16]) == [expected]
