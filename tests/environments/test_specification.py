"""Specifications of environments, and unsupported environments."""

import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from environments.faults import EnvironmentFault
from environments.specification import has_bounds, inspect_environment
from tests.environments.made_up import EVERYTHING


class Custom(gymnasium.Env):
    """An environment with given spaces."""

    def __init__(self, observation_space, action_space):
        self.observation_space = observation_space
        self.action_space = action_space


VECTOR = spaces.Box(-1, 1, (2,))
gymnasium.register("Custom-v0", lambda **kwargs: Custom(**kwargs), max_episode_steps=9)
gymnasium.register("Endless-v0", lambda **_: Custom(VECTOR, spaces.Discrete(2)))


def test_cartpole():
    specification = inspect_environment("CartPole-v1", {"sutton_barto_reward": True})
    assert specification.observation_size == 4
    assert specification.action_space == spaces.Discrete(2)
    assert specification.max_episode_steps == 500
    assert specification.has_vector_entry_point


def test_a_third_party_environment_is_imported_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "third_party.py").write_text(
        "import gymnasium\ngymnasium.register('ThirdParty-v0', "
        "'environments.bandit:Bandit', max_episode_steps=1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    specification = inspect_environment("third_party:ThirdParty-v0", {"probabilities": [0.1] * 5})
    assert specification.action_space == spaces.Discrete(5)


def test_missing_packages_of_an_environment_are_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "Box2D", None)  # importing it fails
    with pytest.raises(EnvironmentFault) as fault:
        inspect_environment("LunarLander-v3", {})
    assert str(fault.value).startswith(
        "expected the packages that LunarLander-v3 needs (`make extras` installs Box2D), received: "
        "Box2D is not installed"
    )


@pytest.mark.parametrize(
    ("env_id", "kwargs", "message"),
    [
        ("CartPol-v1", {}, "Did you mean: `CartPole`"),
        ("CartPole-v9", {}, "CartPole-v9"),
        ("Nowhere", {}, "received 'Nowhere'"),
        ("a:b:c", {}, "received 'a:b:c'"),
        (":Id-v0", {}, "expected the id .* received ':Id-v0'"),
        ("module:", {}, "expected the id .* received 'module:'"),
        (".module:Id-v0", {}, "expected the id .* received '.module:Id-v0'"),
        ("no_such_module:Id-v0", {}, "No module named 'no_such_module'"),
        ("CartPole-v1", {"gravity_": 1}, "keyword arguments that CartPole-v1 accepts"),
        ("Bandit-v0", {"probabilities": [2]}, "expected numbers between 0 and 1"),
    ],
)
def test_an_environment_that_cannot_be_made_is_refused(env_id, kwargs, message):
    with pytest.raises(EnvironmentFault, match=message):
        inspect_environment(env_id, kwargs)


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (spaces.Discrete(3), 3),
        (spaces.Box(-1, 1, (2, 2)), 4),
        (spaces.Box(-1, 1, ()), 1),
        (spaces.Box(0, 255, (4, 4, 3), np.uint8), 48),
        (spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])), 14),
        (spaces.MultiBinary((2, 3)), 6),
        (spaces.Tuple([spaces.Discrete(3), VECTOR]), 5),
        (EVERYTHING, 3 * 2 + 2 + 4 + 2 + 3 + 3),
    ],
)
def test_observations_that_gymnasium_flattens(space, size):
    kwargs = {"observation_space": space, "action_space": spaces.Discrete(2)}
    assert inspect_environment("Custom-v0", kwargs).observation_size == size


OBSERVED = "whose observation is a Box, Discrete, MultiDiscrete or MultiBinary, or a Dict or Tuple"
ACTED = "whose action is Discrete, MultiDiscrete, MultiBinary or a Box of floats"


@pytest.mark.parametrize(
    ("observation_space", "action_space", "message"),
    [
        (spaces.Text(3), spaces.Discrete(2), f"{OBSERVED} .*, whose observation is text"),
        (spaces.Sequence(VECTOR), spaces.Discrete(2), OBSERVED),
        (
            spaces.Dict(image=VECTOR, mission=gymnasium.Space(dtype=str)),  # as in MiniGrid
            spaces.Discrete(2),
            "received Custom-v0, whose part mission is text; to convert or leave out a part",
        ),
        (
            spaces.Dict(a=spaces.Tuple([VECTOR, spaces.Graph(VECTOR, None)])),
            spaces.Discrete(2),
            r"received Custom-v0, whose part a.1 is Graph\(",
        ),
        (spaces.Dict(a=spaces.Box(-1, 1, (0,))), spaces.Discrete(2), "whose part a is empty: Box"),
        (spaces.Box(-1, 1, (0,)), spaces.Discrete(2), "whose observation is empty: Box"),
        (VECTOR, spaces.Tuple([spaces.Discrete(2)]), ACTED),
        (VECTOR, spaces.Box(0, 5, (2,), np.int64), "int64, whose actions are integers"),
        (VECTOR, spaces.Box(0, 5, (0,)), "which is empty"),
    ],
)
def test_unsupported_spaces_are_refused(observation_space, action_space, message):
    kwargs = {"observation_space": observation_space, "action_space": action_space}
    with pytest.raises(EnvironmentFault, match=message):
        inspect_environment("Custom-v0", kwargs)


@pytest.mark.parametrize(
    ("space", "bounded"),
    [
        (spaces.Box(-1, 1, (2,)), True),
        (spaces.Box(-np.inf, np.array([np.inf, 3]), (2,), np.float64), True),
        (spaces.Box(-np.inf, np.inf, (2,)), False),
        (spaces.Discrete(2), False),
    ],
)
def test_which_actions_have_bounds(space, bounded):
    assert has_bounds(space) == bounded


def test_an_environment_without_a_time_limit_is_refused():
    with pytest.raises(EnvironmentFault, match=r"max_episode_steps.*Endless-v0 has no time limit"):
        inspect_environment("Endless-v0", {})
    assert inspect_environment("Endless-v0", {}, max_episode_steps=7).max_episode_steps == 7
