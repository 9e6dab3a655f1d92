"""The compiled cart-pole: states beyond the reach of random actions, and wrong physics."""

import functools

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from environments.checker import check_initial_states, check_steps, collect
from environments.compiled import cartpole
from environments.compiled.cartpole import CartPoleState, CompiledCartPole
from tests.environments.compiled.references import READ_STATE, make, steps_from

READ = READ_STATE["CartPole-v1"]


def states_at_the_thresholds(num_states=2000):
    """Return states [N, 4], about half of which step over the threshold of position or angle."""
    generator = np.random.default_rng(0)
    states = generator.uniform(-1, 1, (num_states, 4)) * [2, 2, 0.15, 2]
    side = generator.choice([-1, 1], num_states)
    near = generator.uniform(-0.02, 0.02, num_states)
    at_position = np.arange(num_states) < num_states // 2
    states[at_position, 0] = (side * (2.4 + near))[at_position]
    states[~at_position, 2] = (side * (0.2095 + near))[~at_position]
    return states


@functools.cache
def random_steps():
    return collect(gymnasium.make("CartPole-v1"), READ, 2000, max_episode_steps=500, seed=0)


@functools.cache
def steps_at_the_thresholds(**kwargs):
    return steps_from("CartPole-v1", states_at_the_thresholds(), **kwargs)


@pytest.mark.parametrize("sutton_barto_reward", [False, True])
def test_at_the_thresholds(sutton_barto_reward):
    transitions = steps_at_the_thresholds(sutton_barto_reward=sutton_barto_reward)
    half = len(transitions.actions) // 2
    for part in (transitions.outcome.terminated[:half], transitions.outcome.terminated[half:]):
        assert 0.3 < part.mean() < 0.7
    check_steps(make("CartPole-v1", sutton_barto_reward=sutton_barto_reward), transitions)


def test_a_threshold_that_is_crossed_by_rounding_alone_is_excused():
    # 2.4 + 10⁻⁹ is beyond 2.4 m, but both are the same float32.
    state = np.array([2.4 + 1e-9, 0, 0, 0])
    transitions = steps_from("CartPole-v1", [state])
    assert transitions.outcome.terminated.tolist() == [True]
    compiled = make("CartPole-v1")
    tensors = CartPoleState(*tf.constant(state[:, None], tf.float32))
    assert compiled.step(tensors, tf.constant([0], tf.int64))[2].numpy().tolist() == [False]
    check_steps(compiled, transitions)


def test_a_wrong_threshold_is_not_excused(monkeypatch):
    transitions = steps_from("CartPole-v1", [np.array([2.4001, 0, 0, 0])])
    check_steps(make("CartPole-v1"), transitions)
    monkeypatch.setattr(cartpole, "MAX_POSITION", 2.4002)
    with pytest.raises(AssertionError, match="Step 0, terminated: expected 1.0, received 0.0"):
        check_steps(CompiledCartPole(), transitions)


@pytest.mark.parametrize(
    ("constant", "value", "steps", "component"),
    [
        ("GRAVITY", 9.81, random_steps, "next_observation"),
        ("POLE_MASS", 0.101, random_steps, "next_observation"),
        ("HALF_LENGTH", 0.501, random_steps, "next_observation"),
        ("FORCE", 10.01, random_steps, "next_observation"),
        ("SECONDS_PER_STEP", 0.0201, random_steps, "next_observation"),
        ("MAX_ANGLE", 0.2, random_steps, "terminated"),
        ("MAX_ANGLE", 0.21, steps_at_the_thresholds, "terminated"),
        ("MAX_POSITION", 2.401, steps_at_the_thresholds, "terminated"),
    ],
)
def test_wrong_physics_is_detected(monkeypatch, constant, value, steps, component):
    monkeypatch.setattr(cartpole, constant, value)
    with pytest.raises(AssertionError, match=rf"Step \d+, {component}: expected .* received"):
        check_steps(CompiledCartPole(), steps())


def test_another_integration_is_detected():
    class SemiImplicit(CompiledCartPole):
        def step(self, state, actions):
            after, rewards, terminated = super().step(state, actions)
            position = state.position + 0.02 * after.velocity
            return after._replace(position=position), rewards, terminated

    with pytest.raises(AssertionError, match="Step 0, next_observation"):
        check_steps(SemiImplicit(), random_steps())


def test_another_reward_is_detected():
    check_steps(make("CartPole-v1"), random_steps())
    with pytest.raises(AssertionError, match="Step 0, reward: expected 1.0, received -?0.0"):
        check_steps(make("CartPole-v1", sutton_barto_reward=True), random_steps())


class Initial(CompiledCartPole):
    """A cart-pole whose initial states come from a given function."""

    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def reset(self, num_envs, seed):
        return CartPoleState(*tf.unstack(self.draw(num_envs, seed)))


def uniform(low, high):
    return lambda num_envs, seed: tf.random.stateless_uniform([4, num_envs], seed, low, high)


@pytest.mark.parametrize(
    ("draw", "component"),
    [
        (uniform(-0.06, 0.06), "state.position"),
        (uniform(-0.05, 0.04), "state.position"),
        (lambda n, s: tf.random.stateless_normal([4, n], s, 0, 0.04), "state.position"),
        (lambda n, s: uniform(-0.05, 0.05)(n, s) * [[1], [1], [0], [1]], "state.angle"),
        # Each component has the right distribution, but all are equal.
        (lambda n, s: tf.tile(uniform(-0.05, 0.05)(n, s)[:1], [4, 1]), "projection of all"),
        # All copies start in the same state.
        (lambda n, s: tf.tile(uniform(-0.05, 0.05)(1, s), [1, n]), "state.position"),
    ],
)
def test_wrong_initial_states_are_detected(draw, component):
    with pytest.raises(AssertionError, match=f"Initial {component}.*: expected"):
        check_initial_states(
            Initial(draw), gymnasium.make("CartPole-v1"), READ, num_resets=3000, seed=0
        )
