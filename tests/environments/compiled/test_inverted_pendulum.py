"""The compiled inverted pendulum: states beyond random actions' reach, and wrong physics."""

import functools
from typing import Any

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from environments.checker import check_initial_states, check_steps
from environments.compiled import inverted_pendulum
from environments.compiled.inverted_pendulum import (
    CompiledInvertedPendulum,
    InvertedPendulumState,
)
from tests.environments.compiled.references import READ_STATE, make, steps_from

ID = "InvertedPendulum-v5"
READ = READ_STATE[ID]


def states_on_the_rail(num_states=2000):
    """Return states [N, 4] away from the ends, at all angles of an episode and beyond."""
    return np.random.default_rng(0).uniform(-1, 1, (num_states, 4)) * [0.8, 0.25, 2, 5]


def states_at_the_ends(num_states=2000):
    """Return states [N, 4] around the ends of the rail, within 1 mm and up to 50 mm."""
    generator = np.random.default_rng(1)
    states = states_on_the_rail(num_states)
    depths = generator.choice([1e-3, 0.05], num_states) * generator.uniform(-1, 1, num_states)
    states[:, 0] = generator.choice([-1, 1], num_states) * (1 + depths)
    return states


@functools.cache
def steps(region, **kwargs):
    states = states_on_the_rail() if region == "rail" else states_at_the_ends()
    return steps_from(ID, states, spaces.Box(-4, 4, (1,)), **kwargs)


@pytest.mark.parametrize("region", ["rail", "ends"])
@pytest.mark.parametrize("kwargs", [{}, {"frame_skip": 1}])
def test_on_the_rail_and_at_its_ends(region, kwargs):
    transitions = steps(region, **kwargs)
    assert 0.1 < transitions.outcome.terminated.mean() < 0.9
    assert (abs(transitions.actions) > 3).mean() > 0.2  # actions that are clipped
    check_steps(make(ID, **kwargs), transitions)


def test_the_ends_push_back():
    # Without the ends, the cart would move as in the middle of the rail.
    before = InvertedPendulumState(
        *tf.constant([[0.97, -0.97], [0, 0], [2, -2], [0, 0]], tf.float32)
    )
    middle = before._replace(position=tf.zeros(2))
    still = tf.zeros([2, 1])
    at_the_ends, *_ = make(ID).step(before, still)
    on_the_rail, *_ = make(ID).step(middle, still)
    np.testing.assert_array_less(
        abs(at_the_ends.position), abs(before.position + on_the_rail.position)
    )
    np.testing.assert_array_less(abs(at_the_ends.velocity), abs(on_the_rail.velocity))
    np.testing.assert_allclose(at_the_ends.position[0], -at_the_ends.position[1], atol=1e-3)


def test_by_hand():
    # The center of mass is 0.5 mm in front of the hinge. So the pole is in equilibrium when it
    # leans back by an angle whose tangent is 0.0005 / 0.3. At 0.3 rad, an episode is over.
    angles = [-np.arctan(0.0005 / 0.3), 0.3]
    state = InvertedPendulumState(*tf.constant([[0, 0], angles, [0, 0], [0, 0]], tf.float32))
    after, rewards, terminated = make(ID).step(state, tf.zeros([2, 1]))
    np.testing.assert_allclose([column[0] for column in after], [0, angles[0], 0, 0], atol=1e-6)
    assert rewards.numpy().tolist() == [1, 0]
    assert terminated.numpy().tolist() == [False, True]


def test_the_constants_are_those_of_mujocos_model():
    env: Any = gymnasium.make(ID).unwrapped
    model = env.model
    _, cart_mass, pole_mass = model.body_mass
    *_, pole_inertia = model.body_inertia
    *_, pole_center = model.body_ipos
    along, upwards = inverted_pendulum.POLE_CENTER
    received = [
        inverted_pendulum.CART_MASS,
        inverted_pendulum.POLE_MASS,
        inverted_pendulum.POLE_MOMENT,
        inverted_pendulum._mobility_upright(),
    ]
    expected = [cart_mass, pole_mass, pole_inertia[1], model.dof_invweight0[0]]
    np.testing.assert_allclose(received, expected, rtol=1e-9)
    np.testing.assert_allclose([along, 0, upwards], pole_center, rtol=1e-9)


@pytest.mark.parametrize(
    ("constant", "value", "region", "component"),
    [
        ("GRAVITY", 9.8, "rail", "next_observation"),
        ("CART_MASS", 10.48, "rail", "next_observation"),
        ("POLE_MASS", 5.03, "rail", "next_observation"),
        ("POLE_CENTER", (0.0005, 0.301), "rail", "next_observation"),
        ("POLE_CENTER", (0.0, 0.3), "rail", "next_observation"),
        ("POLE_MOMENT", 0.19, "rail", "next_observation"),
        ("DAMPING", 1.01, "rail", "next_observation"),
        ("FORCE_PER_ACTION", 100.1, "rail", "next_observation"),
        ("MAX_ACTION", 3.1, "rail", "next_observation"),
        ("SECONDS_PER_FRAME", 0.0201, "rail", "next_observation"),
        ("MAX_ANGLE", 0.201, "rail", "reward"),
        ("MAX_POSITION", 1.001, "ends", "next_observation"),
        ("LIMIT_TIME_CONSTANT", 0.041, "ends", "next_observation"),
        ("MIN_IMPEDANCE", 0.89, "ends", "next_observation"),
        ("MAX_IMPEDANCE", 0.949, "ends", "next_observation"),
        ("IMPEDANCE_WIDTH", 0.002, "ends", "next_observation"),
        ("_mobility_upright", lambda: 0.09, "ends", "next_observation"),
    ],
)
def test_wrong_physics_is_detected(monkeypatch, constant, value, region, component):
    monkeypatch.setattr(inverted_pendulum, constant, value)
    with pytest.raises(AssertionError, match=rf"Step \d+, {component}: expected .* received"):
        check_steps(CompiledInvertedPendulum(), steps(region))


def test_another_frame_skip_is_detected():
    with pytest.raises(AssertionError, match=r"Step \d+, next_observation: expected"):
        check_steps(make(ID, frame_skip=3), steps("rail"))


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_initial_states(noise):
    env = gymnasium.make(ID, reset_noise_scale=noise)
    check_initial_states(make(ID, reset_noise_scale=noise), env, READ, num_resets=3000, seed=0)
    with pytest.raises(AssertionError, match=r"Initial state.position: expected"):
        check_initial_states(
            CompiledInvertedPendulum(reset_noise_scale=1.2 * noise),
            env,
            READ,
            num_resets=3000,
            seed=0,
        )


@pytest.mark.parametrize(
    "kwargs",
    [
        {"frame_skip": 2.5},
        {"frame_skip": 0},
        {"reset_noise_scale": "0.1"},
        {"reset_noise_scale": -0.1},
    ],
)
def test_invalid_arguments_are_refused(kwargs):
    ((name, value),) = kwargs.items()
    with pytest.raises(ValueError, match=f"for `{name}`. Received: {name}={value!r}"):
        CompiledInvertedPendulum(**kwargs)
