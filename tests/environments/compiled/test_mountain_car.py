"""The compiled mountain cars: states beyond the reach of random actions, and wrong physics."""

import functools
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from environments.checker import check_initial_states, check_steps
from environments.compiled import mountain_car
from environments.compiled.mountain_car import (
    CompiledMountainCar,
    CompiledMountainCarContinuous,
)
from tests.environments.compiled.references import READ_STATE, make, steps_from

GEAR, PEDAL = "MountainCar-v0", "MountainCarContinuous-v0"
CLASSES: dict[str, Any] = {GEAR: CompiledMountainCar, PEDAL: CompiledMountainCarContinuous}
TOLERANCE = 1e-6  # forces are of the order of 10⁻³


@functools.cache
def steps(env_id, **kwargs):
    """Take steps from all over the track, half of them near its ends; actions may exceed bounds."""
    generator = np.random.default_rng(0)
    velocities = generator.uniform(-0.07, 0.07, 4000)
    anywhere = generator.uniform(-1.2, 0.6, 2000)
    positions = [anywhere, generator.uniform(-1.2, -1.1, 1000), generator.uniform(0.4, 0.6, 1000)]
    states = np.stack([np.concatenate(positions), velocities], axis=1)
    actions = spaces.Box(-2, 2, (1,)) if env_id == PEDAL else None
    return steps_from(env_id, states, actions, **kwargs)


@pytest.mark.parametrize("env_id", CLASSES)
def test_at_walls_bounds_and_goal(env_id):
    transitions = steps(env_id)
    before, after = transitions.states, transitions.outcome.next_state
    terminated = transitions.outcome.terminated
    at_the_wall = np.isclose(after.position, -1.2)
    assert (at_the_wall & (before.velocity < 0) & (after.velocity == 0)).sum() > 100
    assert np.isclose(after.position, 0.6).sum() > 100
    for bound in (-0.07, 0.07):
        assert (np.isclose(after.velocity, bound) & (abs(before.velocity) < 0.07)).sum() > 20
    assert 0.1 < terminated.mean() < 0.3
    assert ((after.position >= 0.5) & ~terminated).sum() > 100  # moving left
    check_steps(make(env_id), transitions, TOLERANCE)


def test_the_cost_uses_the_action_before_clipping():
    transitions = steps(PEDAL)
    pedal, outcome = transitions.actions[:, 0], transitions.outcome
    assert (abs(pedal) > 1).mean() > 0.4
    np.testing.assert_allclose(outcome.reward, 100 * outcome.terminated - 0.1 * pedal**2, rtol=1e-6)


@pytest.mark.parametrize("env_id", CLASSES)
def test_the_top_must_be_reached_with_the_goal_velocity(env_id):
    transitions = steps(env_id, goal_velocity=0.03)
    check_steps(make(env_id, goal_velocity=0.03), transitions, TOLERANCE)
    with pytest.raises(AssertionError, match=r"Step \d+, (reward|terminated): expected"):
        check_steps(make(env_id), transitions, TOLERANCE)


@pytest.mark.parametrize("env_id", CLASSES)
def test_a_goal_velocity_must_be_a_number(env_id):
    with pytest.raises(TypeError, match="a number for `goal_velocity`. Received: .*'fast'"):
        make(env_id, goal_velocity="fast")


@pytest.mark.parametrize(
    ("env_id", "constant", "value", "component"),
    [
        (GEAR, "GRAVITY", 0.00251, "next_observation"),
        (GEAR, "GEAR_FORCE", 0.00101, "next_observation"),
        (GEAR, "GEAR_GOAL", 0.501, "terminated"),
        (GEAR, "MIN_POSITION", -1.201, "next_observation"),
        (GEAR, "MAX_POSITION", 0.599, "next_observation"),
        (GEAR, "MAX_SPEED", 0.0701, "next_observation"),
        (PEDAL, "PEDAL_FORCE", 0.00151, "next_observation"),
        (PEDAL, "PEDAL_GOAL", 0.451, "reward"),
    ],
)
def test_wrong_physics_is_detected(monkeypatch, env_id, constant, value, component):
    monkeypatch.setattr(mountain_car, constant, value)
    with pytest.raises(AssertionError, match=rf"Step \d+, {component}: expected .* received"):
        check_steps(CLASSES[env_id](), steps(env_id), TOLERANCE)


@pytest.mark.parametrize(("constant", "value"), [("MIN_INITIAL", -0.58), ("MAX_INITIAL", -0.42)])
def test_wrong_initial_states_are_detected(monkeypatch, constant, value):
    monkeypatch.setattr(mountain_car, constant, value)
    env = gymnasium.make(GEAR)
    with pytest.raises(AssertionError, match=r"Initial state.position: expected"):
        check_initial_states(CompiledMountainCar(), env, READ_STATE[GEAR], num_resets=3000, seed=0)
