"""Direct calls of compiled functions."""

import numpy as np
import pytest
import tensorflow as tf

from reinforce.sampling.direct_call import direct_call

VECTOR, NUMBER = tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32)


def test_it_computes_the_function_with_current_variables():
    factor = tf.Variable(2.0)
    function = tf.function(lambda x, n: (factor * x, n + 1), input_signature=[VECTOR, NUMBER])
    call = direct_call(function.get_concrete_function())
    for value in (2.0, 3.0):
        factor.assign(value)
        product, number = call(np.array([1.0, 5.0], np.float32), np.int32(7))
        assert product.tolist() == [value, 5 * value]
        assert number == 8


def test_results_of_a_dictionary_are_sorted_by_name():
    function = tf.function(lambda x: {"b": x, "a": x + 1, "c": x + 2}, input_signature=[VECTOR])
    results = direct_call(function.get_concrete_function())(np.zeros(1, np.float32))
    assert np.concatenate(results).tolist() == [1, 0, 2]


def test_another_dtype_is_refused():
    function = tf.function(lambda x: x, input_signature=[VECTOR])
    with pytest.raises(tf.errors.InvalidArgumentError):
        direct_call(function.get_concrete_function())(np.zeros(1, np.float64))
