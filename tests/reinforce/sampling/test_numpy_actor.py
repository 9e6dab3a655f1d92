"""Policies computed in NumPy agree with TensorFlow's; any other policy is compiled."""

import keras
import numpy as np
import pytest
from gymnasium import spaces

from models.heads import make_head
from models.networks import make_policy_network
from models.normalization import RunningNormalization
from models.policy import Policy
from reinforce.sampling import numpy_actor
from reinforce.sampling.actor import MAX_COPIES, CompiledActor, make_actor
from reinforce.sampling.gymnasium import sample_episodes
from reinforce.sampling.numpy_actor import NumpyActor
from reinforce.tuning import CPU, tuned_for
from tests.reinforce.sampling.test_gymnasium import SEED, Corridor, serial

# 0.1 is not a float32, so clipping must follow the cast to float64.
BOX = spaces.Box(-0.1, np.array([[0.1], [np.inf]]), dtype=np.float64)
DISCRETE = spaces.Discrete(3, start=5)
OBSERVATIONS = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)


def make_policy(space, activation="tanh", *, normalizer=None, seed=0, **head_options):
    """Make a policy with random weights, of which every layer matters."""
    head = make_head(space, **head_options)
    network = make_policy_network(
        4, (16, 8), activation, head, np.random.SeedSequence(seed), normalizer
    )
    generator = np.random.default_rng(seed)
    for variable in network.trainable_variables:
        variable.assign(generator.normal(scale=0.5, size=variable.shape))
    return Policy(network, head, 4)


def begun(policy, seed=1):
    actor = NumpyActor(policy)
    actor.begin(np.random.default_rng(seed))
    return actor


def outputs_of(policy):
    """Return the network's outputs in NumPy."""
    return begun(policy).act(OBSERVATIONS).outputs[:, :-4]


def assert_close(received, expected):
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)


# Outputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu", "silu", "sigmoid"])
def test_each_activation_is_tensorflows(activation):
    policy = make_policy(DISCRETE, activation)
    # Large pre-activations must not overflow: exp(100) is no float32.
    policy.network.layers[1].bias.assign(np.linspace(-100, 100, 16))
    assert_close(outputs_of(policy), policy.outputs(OBSERVATIONS))


@pytest.mark.parametrize("state_dependent", [False, True])
def test_both_kinds_of_standard_deviation_are_tensorflows(state_dependent):
    policy = make_policy(BOX, state_dependent=state_dependent)
    assert_close(outputs_of(policy), policy.outputs(OBSERVATIONS))


def test_observations_are_normalized_by_the_current_statistics():
    normalizer = RunningNormalization()
    policy = make_policy(DISCRETE, normalizer=normalizer)
    assert_close(outputs_of(policy), policy.outputs(OBSERVATIONS))  # the identity before any update
    seen = np.random.default_rng(1).normal(3, [1, 2, 3, 0.01], size=(2, 50, 4))
    normalizer.update(seen.astype(np.float32), np.ones((2, 50), bool))  # 3 / 0.01 is clipped to 10
    assert_close(outputs_of(policy), policy.outputs(OBSERVATIONS))


# Samples ---------------------------------------------------------------------------------------


def test_normal_samples_have_the_means_and_standard_deviations_of_the_outputs():
    num = 10_000
    policy = make_policy(BOX)
    means, log_deviations = np.split(policy.outputs(OBSERVATIONS[:1]).numpy()[0], 2)
    deviations = np.exp(log_deviations)
    action = begun(policy).act(np.repeat(OBSERVATIONS[:1], num, axis=0))
    samples = action.raw_action[..., 0]
    # The standard error of a mean is σ/√n, that of a standard deviation σ/√(2n).
    assert np.all(abs(samples.mean(axis=0) - means) < 4 * deviations / np.sqrt(num))
    assert np.all(abs(samples.std(axis=0) - deviations) < 4 * deviations / np.sqrt(2 * num))
    expected = policy.head.for_environment(action.raw_action).numpy()
    np.testing.assert_array_equal(action.action, expected)
    assert action.action.dtype == expected.dtype
    assert BOX.contains(action.action[0])
    assert (action.raw_action != action.action).mean() > 0.3


def test_categorical_samples_have_the_probabilities_of_the_outputs():
    num = 10_000
    policy = make_policy(DISCRETE)
    probabilities = policy.distribution(OBSERVATIONS[:1]).probs_parameter().numpy()[0]
    assert probabilities.min() > 0.01
    action = begun(policy).act(np.repeat(OBSERVATIONS[:1], num, axis=0))
    frequencies = np.bincount(action.raw_action, minlength=8)[5:] / num  # actions are 5, 6 and 7
    # The standard error of a frequency is √(p (1 − p) / n).
    errors = np.sqrt(probabilities * (1 - probabilities) / num)
    assert np.all(abs(frequencies - probabilities) < 4 * errors)
    expected = policy.head.for_environment(action.raw_action).numpy()
    np.testing.assert_array_equal(action.action, expected)
    assert action.action.dtype == expected.dtype


@pytest.mark.parametrize("space", [BOX, DISCRETE])
def test_log_probabilities_are_tensorflows_for_the_raw_actions(space):
    policy = make_policy(space)
    actor = begun(policy)
    action = actor.act(OBSERVATIONS)
    expected = policy.head.log_prob(policy.outputs(OBSERVATIONS), action.raw_action)
    with tuned_for(CPU._replace(eager_chunk_size=3)):  # of 7 steps
        log_probs = actor.log_prob(action.outputs, action.raw_action)
    assert_close(log_probs, expected)


@pytest.mark.parametrize("space", [BOX, DISCRETE])
def test_a_seed_gives_the_same_actions_whatever_was_sampled_before(space):
    actor = NumpyActor(make_policy(space))

    def sample(seed):
        actor.begin(np.random.default_rng(seed))
        return np.stack([actor.act(OBSERVATIONS).raw_action for _ in range(3)])

    first, other, again = sample(1), sample(2), sample(1)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[0] != first[1]).any()  # each step has noise of its own


def test_each_batch_uses_the_weights_of_its_beginning():
    policy = make_policy(DISCRETE)
    actor = begun(policy)
    before = policy.outputs(OBSERVATIONS)
    policy.network.set_weights([2 * w for w in policy.network.get_weights()])
    assert_close(actor.act(OBSERVATIONS).outputs[:, :-4], before)
    actor.begin(np.random.default_rng(1))
    assert_close(actor.act(OBSERVATIONS).outputs[:, :-4], policy.outputs(OBSERVATIONS))


# Errors ----------------------------------------------------------------------------------------


def test_other_outputs_than_tensorflows_are_refused(monkeypatch):
    policy = make_policy(DISCRETE)
    monkeypatch.setitem(numpy_actor.ACTIVATIONS, keras.activations.tanh, np.sin)
    actor = begun(policy)
    action = actor.act(OBSERVATIONS)
    with pytest.raises(FloatingPointError, match="outputs differ by up to .* NumPy and TensorFlow"):
        actor.log_prob(action.outputs, action.raw_action)


class Watched(Corridor):
    """A corridor with observations `[4]` and actions that are always 1."""

    def __init__(self, action_space):
        super().__init__()
        self.observation_space = spaces.Box(-np.inf, np.inf, (4,))
        self.action_space = action_space

    def step(self, action):
        return super().step(1)

    def _observation(self):
        return np.ones(4, np.float32)


@pytest.mark.parametrize(
    ("space", "weight", "value", "message"),
    [
        (BOX, 0, np.nan, "the policy's outputs are not finite"),
        (DISCRETE, 0, np.nan, "the policy's outputs are not finite"),
        (DISCRETE, 4, 3e38, "the policy's outputs are not finite"),  # sums overflow
        (BOX, -1, 100.0, "the policy's outputs are not finite"),  # exp overflows
        (BOX, -1, -200.0, "the policy's log-probabilities are not finite"),  # exp gives 0
    ],
)
def test_numbers_that_are_not_finite_end_in_the_same_errors_as_in_tensorflow(
    space, weight, value, message
):
    policy = make_policy(space, "relu")
    variable = policy.network.trainable_variables[weight]
    variable.assign(np.full(variable.shape, value))
    for actor in (NumpyActor(policy), CompiledActor(policy)):
        with pytest.raises(FloatingPointError, match=message):
            sample_episodes(serial(lambda: Watched(space), 2), actor, 2, SEED)


# Choice ----------------------------------------------------------------------------------------


def residual():
    observations = keras.Input((4,))
    return keras.Model(observations, observations + keras.layers.Dense(4)(observations))


class Subclass(keras.Model):
    """A network whose list of layers does not say how they are connected."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4)

    def call(self, observations):
        return 2 * self.dense(observations)


def without_bias():
    observations = keras.Input((4,))
    return keras.Model(observations, keras.layers.Dense(4, use_bias=False)(observations))


@pytest.mark.parametrize("make", [residual, Subclass, without_bias, lambda: lambda seen: 2 * seen])
def test_another_network_is_compiled(make):
    policy = Policy(make(), make_head(spaces.Discrete(4)), 4)
    assert isinstance(make_actor(policy, 1), CompiledActor)


@pytest.mark.parametrize(
    ("space", "options"),
    [
        (DISCRETE, {"activation": "gelu"}),
        (DISCRETE, {"masked": True}),
        (spaces.Box(-1, 1, (2,)), {"squash": True}),
        (spaces.MultiDiscrete([2, 3]), {}),
        (spaces.MultiBinary(2), {}),
    ],
)
def test_another_activation_or_head_is_compiled(space, options):
    assert isinstance(make_actor(make_policy(space, **options), 1), CompiledActor)


def test_a_policy_of_many_copies_or_on_a_gpu_is_compiled(monkeypatch):
    policy = make_policy(DISCRETE, normalizer=RunningNormalization())
    assert isinstance(make_actor(policy, MAX_COPIES), NumpyActor)
    assert isinstance(make_actor(policy, MAX_COPIES + 1), CompiledActor)
    monkeypatch.setattr("tensorflow.config.list_logical_devices", lambda kind: [kind])
    assert isinstance(make_actor(policy, MAX_COPIES), CompiledActor)
