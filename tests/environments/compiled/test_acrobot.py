"""The compiled acrobot: states beyond the reach of random actions, and wrong physics."""

import functools

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from gymnasium.envs.classic_control.acrobot import AcrobotEnv

from environments.checker import check_initial_states, check_steps
from environments.compiled import acrobot
from environments.compiled.acrobot import AcrobotState, CompiledAcrobot
from tests.environments.compiled.references import READ_STATE, make, steps_from

MAX_STATE = {
    "swinging": [np.pi, np.pi, 6, 6],
    "whirling": [np.pi, np.pi, 4 * np.pi, 9 * np.pi],
}
# At nine turns in two seconds, a step amplifies rounding errors in its initial state.
TOLERANCE = {"swinging": 1e-5, "whirling": 1e-3}


def states(kind, num_states=4000):
    """Return states [N, 4] at all angles, up to the speeds of a good policy or to the bounds."""
    return np.random.default_rng(0).uniform(-1, 1, (num_states, 4)) * MAX_STATE[kind]


@functools.cache
def steps(kind):
    return steps_from("Acrobot-v1", states(kind))


@pytest.mark.parametrize("kind", TOLERANCE)
def test_in_all_directions_and_at_the_goal(kind):
    transitions = steps(kind)
    before, outcome = transitions.states, transitions.outcome
    assert 0.1 < outcome.terminated.mean() < 0.3
    for angle, next_angle in zip(before[:2], outcome.next_state[:2], strict=True):
        for over in (next_angle - angle > np.pi, angle - next_angle > np.pi):
            assert (over & ~outcome.terminated).sum() > 50  # across π, and across −π
    check_steps(make("Acrobot-v1"), transitions, TOLERANCE[kind])


def test_whirling_reaches_every_bound():
    after = steps("whirling").outcome.next_state
    for velocity, bound in [(after.velocity_1, 4 * np.pi), (after.velocity_2, 9 * np.pi)]:
        for sign in (-1, 1):
            assert (velocity == sign * bound).sum() > 100


def test_by_hand():
    # Two equilibria at rest. With both links up, the tip is 2 m high. With the second link folded
    # down, the tip is at the joint.
    state = AcrobotState(*tf.constant([[np.pi, np.pi], [0, np.pi], [0, 0], [0, 0]], tf.float32))
    after, rewards, terminated = make("Acrobot-v1").step(state, tf.constant([1, 1]))
    np.testing.assert_allclose(np.cos(after[:2]), [[-1, -1], [1, -1]], atol=1e-6)
    np.testing.assert_allclose(after[2:], np.zeros((2, 2)), atol=1e-5)
    assert rewards.numpy().tolist() == [0, -1]
    assert terminated.numpy().tolist() == [True, False]


def test_an_angle_that_is_wrapped_by_rounding_alone_is_excused():
    # π + 10⁻⁹ is wrapped to −π + 10⁻⁹. In float32 it equals π, which is not wrapped.
    state = np.array([0, np.pi + 1e-9, 0, 0])
    transitions = steps_from("Acrobot-v1", [state], spaces.Discrete(1, start=1))
    compiled = make("Acrobot-v1")
    tensors = AcrobotState(*tf.constant(state[:, None], tf.float32))
    after, *_ = compiled.step(tensors, tf.constant(transitions.actions))
    assert transitions.outcome.next_state.angle_2[0] < -3
    assert after.angle_2.numpy()[0] > 3
    check_steps(compiled, transitions)


@pytest.mark.parametrize(
    ("constant", "value", "kind", "component"),
    [
        ("GRAVITY", 9.81, "swinging", "next_observation"),
        ("MASS", 1.001, "swinging", "next_observation"),
        ("LENGTH", 1.001, "swinging", "next_observation"),
        ("CENTER", 0.501, "swinging", "next_observation"),
        ("MOMENT", 1.001, "swinging", "next_observation"),
        ("TORQUE", 1.001, "swinging", "next_observation"),
        ("SECONDS_PER_STEP", 0.2001, "swinging", "next_observation"),
        ("MIN_HEIGHT", 1.005, "swinging", "reward"),
        ("MAX_VELOCITIES", (12.5, 9 * np.pi), "whirling", "next_observation"),
        ("MAX_VELOCITIES", (4 * np.pi, 28.5), "whirling", "next_observation"),
        ("_wrap", lambda angles: angles, "swinging", "next_state.angle_[12]"),
    ],
)
def test_wrong_physics_is_detected(monkeypatch, constant, value, kind, component):
    monkeypatch.setattr(acrobot, constant, value)
    with pytest.raises(AssertionError, match=rf"Step \d+, {component}: expected .* received"):
        check_steps(CompiledAcrobot(), steps(kind), TOLERANCE[kind])


def test_the_equations_of_the_other_paper_are_detected(monkeypatch):
    monkeypatch.setattr(AcrobotEnv, "book_or_nips", "nips")
    transitions = steps_from("Acrobot-v1", states("swinging", 100))
    with pytest.raises(AssertionError, match=r"Step \d+, next_observation: expected"):
        check_steps(make("Acrobot-v1"), transitions)


def test_wrong_initial_states_are_detected(monkeypatch):
    monkeypatch.setattr(acrobot, "MAX_INITIAL", 0.12)
    with pytest.raises(AssertionError, match=r"Initial state.angle_1: expected"):
        check_initial_states(
            CompiledAcrobot(),
            gymnasium.make("Acrobot-v1"),
            READ_STATE["Acrobot-v1"],
            num_resets=3000,
            seed=0,
        )
