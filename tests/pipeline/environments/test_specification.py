"""What is read from an environment, and which environments are refused."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import WrapperSpec
from gymnasium.vector import AutoresetMode

from pipeline.environments.description import describe_flattening, describe_space
from pipeline.environments.parallel.making import make_environments
from pipeline.environments.parallel.serial import SerialEnvironments
from pipeline.environments.parallel.vectorized import VectorizedEnvironments
from pipeline.environments.specification import has_bounds, inspect_environment
from pipeline.errors import UserError


class Custom(gymnasium.Env):
    """An environment with the spaces that it is given."""

    def __init__(self, observation_space, action_space):
        self.observation_space = observation_space
        self.action_space = action_space


BANDIT = "pipeline.environments.bandit:Bandit"
VECTOR = spaces.Box(-1, 1, (2,))
gymnasium.register("Custom-v0", lambda **kwargs: Custom(**kwargs), max_episode_steps=9)
gymnasium.register("Endless-v0", lambda **_: Custom(VECTOR, spaces.Discrete(2)))


def test_cartpole():
    specification = inspect_environment("CartPole-v1", {"sutton_barto_reward": True})
    assert specification.observation_size == 4
    assert specification.action_space == spaces.Discrete(2)
    assert specification.max_episode_steps == 500
    assert specification.has_vector_entry_point
    environments = make_environments(specification, 3)
    assert environments.num_envs == 3
    assert isinstance(environments, VectorizedEnvironments)
    # The keyword arguments arrive: with Sutton and Barto's reward a step costs nothing.
    environments.reset(seed=0)
    assert environments.step(np.arange(3), np.zeros(3, np.int64)).rewards.tolist() == [0, 0, 0]


def test_an_environment_without_a_vector_entry_point_is_stepped_copy_by_copy():
    environments = make_environments(inspect_environment("Bandit-v0", {}), 3)
    assert isinstance(environments, SerialEnvironments)


def test_a_native_vector_environment_that_does_not_reset_itself_by_the_next_step_is_not_used():
    class Disabled(gymnasium.vector.SyncVectorEnv):
        def __init__(self, num_envs, max_episode_steps):
            make = partial(gymnasium.make, "Bandit-v0", max_episode_steps=max_episode_steps)
            super().__init__([make] * num_envs, autoreset_mode=AutoresetMode.DISABLED)

    gymnasium.register(
        "Disabled-v0",
        BANDIT,
        vector_entry_point=lambda **kw: Disabled(**kw),
        max_episode_steps=1,
    )
    specification = inspect_environment("Disabled-v0", {})
    assert specification.has_vector_entry_point
    environments = make_environments(specification, 100)
    assert isinstance(environments, SerialEnvironments)
    assert environments.num_envs == 50


def test_a_native_vector_environment_without_the_registered_wrappers_is_not_used():
    wrapper = "gymnasium.wrappers:TransformReward"
    cartpole = gymnasium.spec("CartPole-v1")
    gymnasium.register(
        "Wrapped-v0",
        cartpole.entry_point,
        vector_entry_point=cartpole.vector_entry_point,
        max_episode_steps=500,
        additional_wrappers=(
            WrapperSpec("Double", wrapper, {"func": lambda reward: 2.0 * reward}),
        ),
    )
    environments = make_environments(inspect_environment("Wrapped-v0", {}), 2)
    environments.reset(seed=0)
    assert environments.step(np.arange(2), np.zeros(2, np.int64)).rewards.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("env_id", "num_episodes", "num_envs"),
    [
        ("Bandit-v0", 1, 1),
        ("Bandit-v0", 64, 64),
        ("Bandit-v0", 65, 33),
        ("Bandit-v0", 100, 50),
        ("CartPole-v1", 512, 512),
        ("CartPole-v1", 513, 257),
    ],
)
def test_as_many_copies_as_episodes_or_an_even_share_of_them(env_id, num_episodes, num_envs):
    environments = make_environments(inspect_environment(env_id, {}), num_episodes)
    assert environments.num_envs == num_envs


def test_a_third_partys_environment_is_imported_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "somebodys_envs.py").write_text(
        "import gymnasium\ngymnasium.register('Theirs-v0', "
        "'pipeline.environments.bandit:Bandit', max_episode_steps=1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    specification = inspect_environment("somebodys_envs:Theirs-v0", {"probabilities": [0.1] * 5})
    assert specification.action_space == spaces.Discrete(5)
    assert make_environments(specification, 2).num_envs == 2


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
        ("CartPole-v1", {"gravity_": 1}, "keyword arguments with which CartPole-v1 can be made"),
        ("Bandit-v0", {"probabilities": [2]}, "expected numbers from 0 to 1"),
    ],
)
def test_what_cannot_be_made_is_refused(env_id, kwargs, message):
    with pytest.raises(UserError, match=message):
        inspect_environment(env_id, kwargs)


EVERYTHING = spaces.Dict(
    position=spaces.Box(-1, 1, (2, 3), np.float64),
    colour=spaces.Box(0, 255, (2,), np.uint8),
    place=spaces.Tuple([spaces.Discrete(4, start=2), spaces.MultiDiscrete([2, 3])]),
    switches=spaces.MultiBinary(3),
)


class Everything(gymnasium.Env):
    """Observes samples of all kinds of spaces."""

    observation_space = EVERYTHING
    action_space = spaces.MultiBinary(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert action in self.action_space
        return self.observation_space.sample(), 1.0, False, False, {}


gymnasium.register("Everything-v0", lambda **_: Everything(), max_episode_steps=4)


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


def test_copies_observe_what_gymnasium_flattens():
    specification = inspect_environment("Everything-v0", {})
    environments = make_environments(specification, 2)
    environments.reset(seed=5)  # and 6 for the second one
    for copy, seed in enumerate([5, 6]):
        expected, _ = Everything().reset(seed=seed)
        flat = np.asarray(spaces.flatten(EVERYTHING, expected), np.float32)
        np.testing.assert_array_equal(environments.observations[copy], flat)


def test_the_description_says_how_to_flatten_an_observation():
    observation = EVERYTHING.sample()
    flat = np.asarray(spaces.flatten(EVERYTHING, observation))
    parts = describe_flattening(EVERYTHING)
    # By hand, from what it says: numbers and bits as they are, whole numbers one-hot.
    encoded: dict[str, Callable[[Any], np.ndarray]] = {
        "its numbers, row by row": np.ravel,
        "its bits, row by row": np.ravel,
        "one-hot: 1 at the value less start, else 0": lambda value: np.eye(4)[value - 2],
        "each component in turn, row by row, one-hot: 1 at its value less its start": lambda v: (
            np.concatenate([np.eye(2)[v[0]], np.eye(3)[v[1]]])
        ),
    }
    assert [part["path"] for part in parts] == [
        ["position"], ["colour"], ["place", 0], ["place", 1], ["switches"]
    ]  # fmt: skip
    end = 0
    for part in parts:
        value: Any = observation
        for key in part["path"]:
            value = value[key]
        start, end = part["components"]
        np.testing.assert_array_equal(flat[start:end], encoded[part["encoding"]](value))
    assert end == len(flat)


def test_the_description_of_a_space_is_json():
    description = json.loads(json.dumps(describe_space(EVERYTHING)))
    assert description["type"] == "Dict"
    assert description["spaces"]["place"] == {
        "type": "Tuple",
        "spaces": [
            {"type": "Discrete", "n": 4, "start": 2},
            {"type": "MultiDiscrete", "nvec": [2, 3], "start": [0, 0]},
        ],
    }
    assert description["spaces"]["switches"] == {"type": "MultiBinary", "shape": [3]}
    assert description["spaces"]["position"]["shape"] == [2, 3]


def test_a_space_of_ones_own_is_described_as_what_it_is():
    class Mine(spaces.Box):
        pass

    mine = Mine(-1, 1, (2,))
    assert describe_space(mine)["type"] == "Box"
    assert describe_flattening(mine)[0]["components"] == [0, 2]


OBSERVED = "whose observation is a Box, Discrete, MultiDiscrete or MultiBinary, or a Dict or Tuple"
ACTED = "whose action is Discrete, MultiDiscrete, MultiBinary or a Box of floats"


@pytest.mark.parametrize(
    ("observation_space", "action_space", "message"),
    [
        (spaces.Text(3), spaces.Discrete(2), OBSERVED),
        (spaces.Sequence(VECTOR), spaces.Discrete(2), OBSERVED),
        (spaces.Dict(a=spaces.Tuple([spaces.Text(3)])), spaces.Discrete(2), "no Text of"),
        (spaces.Box(-1, 1, (0,)), spaces.Discrete(2), "which is empty"),
        (VECTOR, spaces.Tuple([spaces.Discrete(2)]), ACTED),
        (VECTOR, spaces.Box(0, 5, (2,), np.int64), "int64, whose actions are whole numbers"),
        (VECTOR, spaces.Box(0, 5, (0,)), "which is empty"),
    ],
)
def test_spaces_that_no_policy_serves_are_refused(observation_space, action_space, message):
    kwargs = {"observation_space": observation_space, "action_space": action_space}
    with pytest.raises(UserError, match=message):
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
    with pytest.raises(UserError, match="expected max_episode_steps.*Endless-v0 has no time limit"):
        inspect_environment("Endless-v0", {})
    assert inspect_environment("Endless-v0", {}, max_episode_steps=7).max_episode_steps == 7


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Everything-v0"])  # its own vector, and copies
def test_the_time_limit_that_was_asked_for_cuts_episodes_off(env_id):
    specification = inspect_environment(env_id, {}, max_episode_steps=3)
    environments = make_environments(specification, 2)
    environments.reset(seed=0)
    actions = np.stack([specification.action_space.sample()] * 2)
    cut = [environments.step(np.arange(2), actions).truncated.tolist() for _ in range(3)]
    assert cut == [[False, False], [False, False], [True, True]]
