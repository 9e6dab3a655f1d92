"""What is read from an environment, and which environments are refused."""

from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import WrapperSpec
from gymnasium.vector import AutoresetMode

from pipeline.environments.specification import inspect_environment
from pipeline.environments.vector import make_environments
from pipeline.errors import UserError


class Custom(gymnasium.Env):
    """An environment with the spaces that it is given."""

    def __init__(self, observation_space, action_space):
        self.observation_space = observation_space
        self.action_space = action_space


BANDIT = "pipeline.environments.bandit:Bandit"
VECTOR = spaces.Box(-1, 1, (2,))
gymnasium.register("Custom-v0", lambda **kwargs: Custom(**kwargs))


def test_cartpole():
    specification = inspect_environment("CartPole-v1", {"sutton_barto_reward": True})
    assert specification.observation_size == 4
    assert specification.action_space == spaces.Discrete(2)
    assert specification.max_episode_steps == 500
    assert specification.has_vector_entry_point
    environments = make_environments(specification, 3)
    assert environments.num_envs == 3
    assert not isinstance(environments, gymnasium.vector.SyncVectorEnv)
    # The keyword arguments arrive: with Sutton and Barto's reward a step costs nothing.
    environments.reset(seed=0)
    assert environments.step(np.zeros(3, np.int64))[1].tolist() == [0, 0, 0]


def test_an_environment_without_a_vector_entry_point_is_stepped_copy_by_copy():
    environments = make_environments(inspect_environment("Bandit-v0", {}), 3)
    assert isinstance(environments, gymnasium.vector.SyncVectorEnv)


def test_a_native_vector_environment_that_does_not_reset_itself_by_the_next_step_is_not_used():
    class Disabled(gymnasium.vector.SyncVectorEnv):
        def __init__(self, num_envs):
            make = partial(gymnasium.make, "Bandit-v0")
            super().__init__([make] * num_envs, autoreset_mode=AutoresetMode.DISABLED)

    gymnasium.register("Disabled-v0", BANDIT, vector_entry_point=lambda **kw: Disabled(**kw))
    specification = inspect_environment("Disabled-v0", {})
    assert specification.has_vector_entry_point
    environments = make_environments(specification, 2)
    assert environments.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP


def test_a_native_vector_environment_without_the_registered_wrappers_is_not_used():
    wrapper = "gymnasium.wrappers:TransformReward"
    cartpole = gymnasium.spec("CartPole-v1")
    gymnasium.register(
        "Wrapped-v0",
        cartpole.entry_point,
        vector_entry_point=cartpole.vector_entry_point,
        additional_wrappers=(
            WrapperSpec("Double", wrapper, {"func": lambda reward: 2.0 * reward}),
        ),
    )
    environments = make_environments(inspect_environment("Wrapped-v0", {}), 2)
    environments.reset(seed=0)
    assert environments.step(np.zeros(2, np.int64))[1].tolist() == [2, 2]


@pytest.mark.parametrize(("num_episodes", "num_envs"), [(1, 1), (64, 64), (65, 33), (100, 50)])
def test_as_many_copies_as_episodes_or_an_even_share_of_them(num_episodes, num_envs):
    environments = make_environments(inspect_environment("CartPole-v1", {}), num_episodes)
    assert environments.num_envs == num_envs


def test_a_third_partys_environment_is_imported_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "somebodys_envs.py").write_text(
        "import gymnasium\ngymnasium.register('Theirs-v0', 'pipeline.environments.bandit:Bandit')\n"
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
        ("no_such_module:Id-v0", {}, "No module named 'no_such_module'"),
        ("CartPole-v1", {"gravity_": 1}, "keyword arguments with which CartPole-v1 can be made"),
        ("Bandit-v0", {"probabilities": [2]}, "expected numbers from 0 to 1"),
    ],
)
def test_what_cannot_be_made_is_refused(env_id, kwargs, message):
    with pytest.raises(UserError, match=message):
        inspect_environment(env_id, kwargs)


@pytest.mark.parametrize(
    ("observation_space", "action_space", "message"),
    [
        (spaces.Discrete(3), spaces.Discrete(2), "Box observation of rank 1"),
        (spaces.Box(-1, 1, (2, 2)), spaces.Discrete(2), "Box observation of rank 1"),
        (VECTOR, spaces.MultiBinary(2), "Discrete action or a Box action of floats"),
        (VECTOR, spaces.Box(0, 5, (2,), np.int64), "Discrete action or a Box action of floats"),
    ],
)
def test_spaces_that_no_policy_serves_are_refused(observation_space, action_space, message):
    kwargs = {"observation_space": observation_space, "action_space": action_space}
    with pytest.raises(UserError, match=message):
        inspect_environment("Custom-v0", kwargs)
