"""Properties of every compiled environment."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.vector.utils import batch_space

from environments.checker import check_against_gymnasium, check_steps, collect
from tests.environments.compiled.references import HOST_ONLY, IDS, READ_STATE, make, seeded

NUM_ENVS = 5


def step(compiled, state, actions):
    return compiled.observe(state), *compiled.step(state, actions)


def reset_by_xla(compiled, num_envs):
    return tf.function(
        lambda seed: compiled.reset(num_envs, seed), jit_compile=True, autograph=False
    )


def some_actions(compiled):
    actions = batch_space(compiled.action_space, NUM_ENVS)
    actions.seed(0)
    return tf.constant(actions.sample())


@pytest.mark.parametrize("env_id", IDS)
def test_it_matches_gymnasium(env_id):
    check_against_gymnasium(make(env_id), lambda: gymnasium.make(env_id), READ_STATE[env_id])


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("Bandit-v0", {"probabilities": [0, 1, 0.5], "payouts": [1, 3, -2]}),
        ("CartPole-v1", {"sutton_barto_reward": True}),
        ("Pendulum-v1", {"g": 9.81}),
    ],
)
def test_it_matches_gymnasium_with_keyword_arguments(env_id, kwargs):
    env = gymnasium.make(env_id, **kwargs)
    compiled = make(env_id, **kwargs)
    transitions = collect(env, READ_STATE[env_id], 1000, compiled.max_episode_steps, seed=1)
    check_steps(compiled, transitions)
    # The keyword arguments have an effect: the default environment does not match.
    with pytest.raises(AssertionError):
        check_steps(make(env_id), transitions)


@pytest.mark.parametrize("env_id", IDS)
def test_xla_agrees_with_eager_execution(env_id):
    # The state comes from XLA in both cases, since eager execution draws other numbers from a seed.
    # The checker compares the distribution of initial states.
    compiled = make(env_id)
    state, actions = reset_by_xla(compiled, NUM_ENVS)(seeded(3)), some_actions(compiled)
    eager = step(compiled, state, actions)
    by_xla = tf.function(
        lambda *arguments: step(compiled, *arguments), jit_compile=True, autograph=False
    )
    pairs = zip(tf.nest.flatten(by_xla(state, actions)), tf.nest.flatten(eager), strict=True)
    for one, other in pairs:
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("env_id", IDS)
def test_it_names_no_device_and_needs_no_host(env_id):
    compiled = make(env_id)

    @tf.function
    def first_step(seed, actions):
        return step(compiled, compiled.reset(NUM_ENVS, seed), actions)

    concrete = first_step.get_concrete_function(seeded(0), some_actions(compiled))
    graph = concrete.graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    assert {node.device for node in nodes} == {""}
    operations = {node.op for node in nodes}
    assert "StatelessRandomUniformV2" in operations  # the graph includes the reset
    assert not operations & HOST_ONLY


@pytest.mark.parametrize("env_id", IDS)
def test_states_follow_from_the_seed(env_id):
    reset = reset_by_xla(make(env_id), 1000)

    def drawn(seed):
        return np.stack(tf.nest.flatten(reset(seeded(seed))))

    np.testing.assert_array_equal(drawn(1), drawn(1))
    # Another seed changes each copy's state, though perhaps not each component.
    assert (drawn(1) != drawn(2)).any(axis=0).mean() > 0.99
    # Copies start in different states, except for a few numbers that are drawn twice.
    assert len(np.unique(drawn(1), axis=1).T) > 990


@pytest.mark.parametrize("env_id", IDS)
def test_the_default_time_limit_is_gymnasiums(env_id):
    assert make(env_id).max_episode_steps == gymnasium.spec(env_id).max_episode_steps
