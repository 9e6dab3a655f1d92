"""Properties of all action heads, and the head of each space."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from models.heads import (
    BernoulliHead,
    CategoricalHead,
    MultiCategoricalHead,
    NormalHead,
    SquashedNormalHead,
    make_head,
)
from tests.models.heads.sampling import sample

SEED = tf.constant([3, 5], tf.int32)
MIXED = spaces.Box(
    np.array([[-1, 0], [-np.inf, -np.inf]], np.float32),
    np.array([[3, np.inf], [2, np.inf]], np.float32),
)


class Case(NamedTuple):
    """A space, the options of its head, and the expected head."""

    space: spaces.Space
    options: dict[str, Any]
    head: type
    num_outputs: int


CASES = {
    "discrete": Case(spaces.Discrete(3, start=2), {}, CategoricalHead, 3),
    "discrete, int32": Case(spaces.Discrete(3, dtype=np.int32), {}, CategoricalHead, 3),
    "multi-discrete": Case(
        spaces.MultiDiscrete([2, 4, 1], start=[0, -1, 5]), {}, MultiCategoricalHead, 7
    ),
    "multi-discrete of rank 2": Case(
        spaces.MultiDiscrete(np.array([[2, 3], [3, 1]]), dtype="int32"), {}, MultiCategoricalHead, 9
    ),
    "multi-binary": Case(spaces.MultiBinary(3), {}, BernoulliHead, 3),
    "multi-binary of rank 2": Case(spaces.MultiBinary([2, 3]), {}, BernoulliHead, 6),
    "box of rank 0": Case(spaces.Box(-1, 1, ()), {}, NormalHead, 2),
    "box": Case(spaces.Box(-1, 1, (3,)), {"state_dependent": True}, NormalHead, 6),
    "mixed box of rank 2": Case(MIXED, {}, NormalHead, 8),
    "box of float64": Case(spaces.Box(-0.1, 0.1, (2,), np.float64), {}, NormalHead, 4),
    "box of float16": Case(spaces.Box(-0.1, 0.1, (2,), np.float16), {}, NormalHead, 4),
    "squashed box of rank 0": Case(spaces.Box(-1, 1, ()), {"squash": True}, SquashedNormalHead, 2),
    "squashed box": Case(
        spaces.Box(-1, 1, (3,)), {"squash": True, "state_dependent": True}, SquashedNormalHead, 6
    ),
    "squashed mixed box of rank 2": Case(MIXED, {"squash": True}, SquashedNormalHead, 8),
    "squashed box of float64": Case(
        spaces.Box(-0.1, 0.1, (2,), np.float64), {"squash": True}, SquashedNormalHead, 4
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture
def head(case):
    return make_head(case.space, **case.options)


def random_outputs(case, *leading, scale=1.0, dtype=np.float32):
    values = np.random.default_rng(0).normal(size=(*leading, case.num_outputs), scale=scale)
    return tf.constant(values, dtype)


def test_a_space_has_its_head(case, head):
    assert type(head) is case.head
    assert head.action_shape == case.space.shape


def test_the_last_layer_has_the_initializer_and_the_outputs_that_the_head_reads(case, head):
    features = keras.Input((5,))
    model = keras.Model(features, head.outputs(features, keras.initializers.Constant(0.25)))
    assert model.output_shape == (None, case.num_outputs)
    kernel, *others = model.get_weights()
    np.testing.assert_array_equal(kernel, np.full(kernel.shape, 0.25))
    assert not any(np.any(weights) for weights in others)


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_any_leading_dimensions(case, head, leading):
    outputs = random_outputs(case, *leading)
    actions = sample(head, outputs, SEED)
    assert actions.shape == head.mode(outputs).shape == (*leading, *case.space.shape)
    assert head.for_environment(actions).shape == (*leading, *case.space.shape)
    assert head.parameters(outputs).shape == (*leading, len(head.parameter_names))
    distribution = head.distribution(outputs)
    assert distribution.batch_shape == leading
    assert distribution.event_shape == case.space.shape
    log_probs, entropies = head.log_prob(outputs, actions), head.entropy(outputs)
    assert log_probs.shape == entropies.shape == leading
    # Each row gives the same result alone and in a batch.
    for row in np.ndindex(*leading):
        alone = head.log_prob(outputs[row], actions[row])
        np.testing.assert_allclose(log_probs[row], alone, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(entropies[row], head.entropy(outputs[row]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [(name, False) for name in CASES]
    + [
        ("discrete", True),
        ("multi-discrete", True),
        ("multi-binary of rank 2", True),
        ("mixed box of rank 2", True),
        ("squashed mixed box of rank 2", True),
    ],
)
def test_compiled_for_any_leading_dimensions(name, jit_compile):
    case = CASES[name]
    head = make_head(case.space, **case.options)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, case.num_outputs]),
            tf.TensorSpec([None, None, *head.action_shape], head.action_dtype),
        ],
        jit_compile=jit_compile,
    )
    def compiled(outputs, actions):
        drawn = sample(head, outputs, SEED)
        return (
            drawn,
            head.log_prob(outputs, drawn),
            head.log_prob(outputs, actions),
            head.entropy(outputs),
            head.parameters(outputs),
            head.mode(outputs),
            head.for_environment(actions),
        )

    outputs = random_outputs(case, 2, 3)
    actions = sample(head, outputs, SEED)
    drawn, log_prob_of_sample, *others = compiled(outputs, actions)
    # XLA may draw different numbers from the same seed, but the log-probabilities must agree.
    expected = (
        head.log_prob(outputs, drawn),
        head.log_prob(outputs, actions),
        head.entropy(outputs),
        head.parameters(outputs),
        head.mode(outputs),
        head.for_environment(actions),
    )
    for received, value in zip((log_prob_of_sample, *others), expected, strict=True):
        assert received.dtype == value.dtype
        np.testing.assert_allclose(received, value, rtol=1e-5, atol=1e-5)


def test_converted_actions_lie_in_the_environments_space(case, head):
    outputs = random_outputs(case, 200, scale=3)  # far beyond the bounds
    for actions in (sample(head, outputs, SEED), head.mode(outputs)):
        assert actions.dtype == head.action_dtype
        converted = head.for_environment(actions).numpy()
        assert converted.dtype == case.space.dtype
        for action in converted:
            assert case.space.contains(np.asarray(action))


def test_gradients_are_finite(case, head):
    for scale in (0, 1, 5):
        outputs = random_outputs(case, 50, scale=scale)
        actions = sample(head, outputs, SEED)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(outputs)
            log_prob, entropy = head.log_prob(outputs, actions), head.entropy(outputs)
        for value in (log_prob, entropy):
            gradient = tape.gradient(value, outputs)
            assert np.isfinite(value).all()
            assert np.isfinite(gradient).all()


def test_entropy_is_the_mean_of_minus_log_prob(case, head):
    # This is the definition of entropy. The tolerance is four standard errors of the mean of 20,000
    # samples; the seeds are fixed.
    outputs = tf.tile(random_outputs(case, 1), (20_000, 1))
    surprise = -head.log_prob(outputs, sample(head, outputs, SEED)).numpy()
    tolerance = 4 * surprise.std() / np.sqrt(20_000) + 1e-4
    np.testing.assert_allclose(surprise.mean(), head.entropy(outputs)[0], atol=tolerance)


@pytest.mark.parametrize("name", [name for name in CASES if "discrete" in name or "multi" in name])
def test_discrete_heads_compute_in_float64_too(name):
    case = CASES[name]
    head = make_head(case.space, **case.options)
    double, single = random_outputs(case, 9, dtype=np.float64), random_outputs(case, 9)
    actions = sample(head, double, SEED)
    assert head.log_prob(double, actions).dtype == head.entropy(double).dtype == tf.float64
    single_log_prob = head.log_prob(single, actions)
    np.testing.assert_allclose(head.log_prob(double, actions), single_log_prob, rtol=1e-5)
    np.testing.assert_allclose(head.entropy(double), head.entropy(single), rtol=1e-5)
    np.testing.assert_allclose(head.parameters(double), head.parameters(single), rtol=1e-5)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 9, (2,), np.int64),
        spaces.Text(3),
        spaces.Tuple([spaces.Discrete(2)]),
    ],
    ids=str,
)
def test_another_space_is_refused(space):
    with pytest.raises(TypeError) as error:
        make_head(space)
    assert str(error.value) == (
        "Expected a Discrete, MultiDiscrete or MultiBinary action space, or a Box of floats (not "
        f"of integers). Received: {space}"
    )
