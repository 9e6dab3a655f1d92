"""The compiled pendulum: states beyond the reach of random actions, and wrong physics."""

import functools

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from environments.checker import check_initial_states, check_steps, collect
from environments.compiled import pendulum
from environments.compiled.pendulum import CompiledPendulum, PendulumState
from tests.environments.compiled.references import READ_STATE, make, steps_from

READ = READ_STATE["Pendulum-v1"]


@functools.cache
def random_steps():
    return collect(gymnasium.make("Pendulum-v1"), READ, 2000, max_episode_steps=200, seed=0)


@functools.cache
def steps_out_of_bounds():
    """Take steps from angles of several turns, at high speeds, by torques beyond the bounds."""
    states = np.random.default_rng(0).uniform(-1, 1, (2000, 2)) * [20, 8]
    return steps_from("Pendulum-v1", states, spaces.Box(-4, 4, (1,)))


def test_beyond_every_bound():
    transitions = steps_out_of_bounds()
    angles, speeds = transitions.states
    next_speeds = transitions.outcome.next_state.speed
    assert (abs(angles) > np.pi).mean() > 0.5
    assert (abs(transitions.actions) > 2).mean() > 0.3
    for bound in (-8, 8):
        assert ((next_speeds == bound) & (abs(speeds) < 8)).sum() > 10
    check_steps(make("Pendulum-v1"), transitions)


def test_by_hand():
    # Hanging down at rest, with a torque of 1. The reward depends on the angle π before the step:
    # −(π² + 0.001). Since sin π = 0, the speed becomes 3 · 1 · 0.05 = 0.15, and the angle
    # π + 0.15 · 0.05.
    state = PendulumState(tf.constant([np.pi], tf.float32), tf.zeros([1]))
    after, rewards, terminated = make("Pendulum-v1").step(state, tf.constant([[1.0]]))
    np.testing.assert_allclose(rewards, [-(np.pi**2) - 0.001], rtol=1e-6)
    np.testing.assert_allclose(after, [[np.pi + 0.0075], [0.15]], rtol=1e-5)
    assert terminated.numpy().tolist() == [False]


@pytest.mark.parametrize(
    ("constant", "value", "steps", "component"),
    [
        ("MASS", 1.001, random_steps, "next_observation"),
        ("LENGTH", 1.001, random_steps, "next_observation"),
        ("SECONDS_PER_STEP", 0.0501, random_steps, "next_observation"),
        ("MAX_SPEED", np.inf, steps_out_of_bounds, "next_observation"),
        ("MAX_SPEED", 7.9, steps_out_of_bounds, "next_observation"),
        ("MAX_TORQUE", np.inf, steps_out_of_bounds, "reward"),
        ("MAX_TORQUE", 1.9, random_steps, "reward"),
    ],
)
def test_wrong_physics_is_detected(monkeypatch, constant, value, steps, component):
    monkeypatch.setattr(pendulum, constant, value)
    with pytest.raises(AssertionError, match=rf"Step \d+, {component}: expected .* received"):
        check_steps(CompiledPendulum(), steps())


def test_another_gravity_is_detected():
    with pytest.raises(AssertionError, match=r"Step \d+, next_observation: expected"):
        check_steps(make("Pendulum-v1", g=10.01), random_steps())


def test_an_angle_that_is_not_wrapped_is_detected(monkeypatch):
    monkeypatch.setattr(pendulum, "_from_upright", lambda angle: angle)
    with pytest.raises(AssertionError, match=r"Step \d+, reward: expected"):
        check_steps(CompiledPendulum(), steps_out_of_bounds())


def test_a_reward_of_the_next_state_is_detected():
    class RewardsAfter(CompiledPendulum):
        def step(self, state, actions):
            after, _, terminated = super().step(state, actions)
            _, rewards, _ = super().step(after, actions)
            return after, rewards, terminated

    with pytest.raises(AssertionError, match="Step 0, reward: expected"):
        check_steps(RewardsAfter(), random_steps())


@pytest.mark.parametrize(
    ("constant", "value", "component"),
    [("MAX_INITIAL_ANGLE", 2.7, "state.angle"), ("MAX_INITIAL_SPEED", 1.2, "state.speed")],
)
def test_wrong_initial_states_are_detected(monkeypatch, constant, value, component):
    monkeypatch.setattr(pendulum, constant, value)
    with pytest.raises(AssertionError, match=f"Initial {component}: expected"):
        check_initial_states(
            CompiledPendulum(), gymnasium.make("Pendulum-v1"), READ, num_resets=3000, seed=0
        )
