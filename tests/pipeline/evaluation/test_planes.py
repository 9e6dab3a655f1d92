"""Planes through the observation space."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from pipeline.evaluation.planes import choose_plane, grid


def plane_of(env_id, visited):
    plane = choose_plane(env_id, visited)
    assert plane is not None
    return plane


def observe(env_id, **state):
    """Return the Gymnasium environment's observation in a given state."""
    env = gymnasium.make(env_id)
    first, _ = env.reset(seed=0)
    inner: Any = env.unwrapped
    match env_id:
        case "CartPole-v1":
            observation = [0, 0, np.deg2rad(state["angle"]), state["velocity"]]
        case "InvertedPendulum-v5":
            inner.set_state(
                np.array([0, np.deg2rad(state["angle"])]), np.array([0, state["velocity"]])
            )
            observation = inner._get_obs()
        case "Pendulum-v1":
            inner.state = np.array([np.deg2rad(state["angle"]), state["velocity"]])
            observation = inner._get_obs()
        case "MountainCar-v0" | "MountainCarContinuous-v0":
            observation = [state["position"], state["velocity"]]
        case "Acrobot-v1":
            inner.state = np.array([*np.deg2rad([state["first"], state["second"]]), 0, 0])
            observation = inner._get_ob()
    env.close()
    assert len(observation) == len(first)
    return observation


@pytest.mark.parametrize(
    ("env_id", "state"),
    [
        ("CartPole-v1", {"angle": 6, "velocity": -0.5}),
        ("InvertedPendulum-v5", {"angle": 6, "velocity": -0.5}),
        ("Pendulum-v1", {"angle": -90, "velocity": 3}),
        ("MountainCar-v0", {"position": 0.1, "velocity": 0.02}),
        ("MountainCarContinuous-v0", {"position": 0.1, "velocity": 0.02}),
        ("Acrobot-v1", {"first": 90, "second": -45}),
    ],
)
def test_observations_on_a_plane_equal_gymnasiums(env_id, state):
    observed = observe(env_id, **state)
    plane = plane_of(env_id, np.zeros((2, len(observed))))
    x, y = (np.array([float(value)]) for value in state.values())
    received = np.stack(plane.observe(x, y), axis=1)[0]
    np.testing.assert_allclose(received, observed, atol=1e-6)
    for axis, value in zip((plane.x, plane.y), (x, y), strict=True):
        assert axis.low < value < axis.high
        assert "," not in axis.label


def test_other_environments_use_the_first_two_varying_observations():
    visited = np.array([[5.0, 1.0, 0.0, 3.0], [5.0, 2.0, 1.0, 4.0], [5.0, 4.0, 5.0, 9.0]])
    plane = plane_of("package:Other-v0", visited)
    assert (plane.x.label, plane.x.low, plane.x.high) == ("observation[1]", 1, 4)
    assert (plane.y.label, plane.y.low, plane.y.high) == ("observation[2]", 0, 5)
    columns = plane.observe(np.array([1.5]), np.array([2.5]))
    assert np.concatenate(columns).tolist() == [5, 1.5, 2.5, 4]  # others as in the second row


def test_axes_are_not_flags_and_fixed_components_form_a_possible_state():
    # The medians of these one-hot vectors are all 0, which is not a one-hot vector.
    one_hot, positions = np.tile(np.eye(3), (3, 1)), np.arange(18.0).reshape(9, 2)
    assert choose_plane("Other-v0", one_hot) is None
    plane = plane_of("Other-v0", np.concatenate([one_hot, positions], axis=1))
    assert (plane.x.label, plane.y.label) == ("observation[3]", "observation[4]")
    columns = plane.observe(np.array([1.5]), np.array([2.5]))
    assert np.concatenate(columns).tolist() == [0, 1, 0, 1.5, 2.5]


def test_another_packages_environment_of_a_known_name_has_no_known_plane():
    visited = np.arange(12.0).reshape(3, 4)
    plane = plane_of("package:Pendulum-v3", visited)
    assert plane.x.label == "observation[0]"
    assert grid(plane, 3)[2].shape == (9, 4)


def test_there_is_no_plane_if_fewer_than_two_observations_vary():
    assert choose_plane("Bandit-v0", np.ones((4, 1))) is None
    assert choose_plane("Other-v0", np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])) is None


def test_a_grid_includes_all_four_corners():
    plane = plane_of("MountainCar-v0", np.zeros((1, 2)))
    x, y, observations = grid(plane, 3)
    assert (len(x), len(y), observations.shape) == (9, 9, (9, 2))
    np.testing.assert_allclose(x[:3], [-1.2, -0.3, 0.6])
    np.testing.assert_allclose(y[:4], [-0.07, -0.07, -0.07, 0])
    np.testing.assert_allclose(observations[-1], [0.6, 0.07], rtol=1e-6)
    assert observations.dtype == np.float32
