"""The kind and number of environment copies, and their equivalence to a single environment."""

from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import WrapperSpec
from gymnasium.vector import AutoresetMode

from environments.specification import inspect_environment
from environments.vector import make
from environments.vector.make import count_copies, make_environments
from environments.vector.serial import SerialEnvironments
from environments.vector.vectorized import VectorizedEnvironments
from tests.environments.made_up import EVERYTHING, Everything


def test_a_native_vector_environment_gets_the_keyword_arguments():
    specification = inspect_environment("CartPole-v1", {"sutton_barto_reward": True})
    environments = make_environments(specification, 3)
    assert environments.num_envs == 3
    assert isinstance(environments, VectorizedEnvironments)
    environments.reset(seed=0)  # with Sutton and Barto's reward, ordinary steps give 0
    assert environments.step(np.arange(3), np.zeros(3, np.int64)).rewards.tolist() == [0, 0, 0]


def test_an_environment_without_a_vector_entry_point_is_stepped_copy_by_copy():
    environments = make_environments(inspect_environment("Bandit-v0", {}), 3)
    assert isinstance(environments, SerialEnvironments)


def test_a_native_vector_environment_without_next_step_autoreset_is_not_used():
    class Disabled(gymnasium.vector.SyncVectorEnv):
        def __init__(self, num_envs, max_episode_steps):
            make = partial(gymnasium.make, "Bandit-v0", max_episode_steps=max_episode_steps)
            super().__init__([make] * num_envs, autoreset_mode=AutoresetMode.DISABLED)

    gymnasium.register(
        "Disabled-v0",
        "environments.bandit:Bandit",
        vector_entry_point=lambda **kw: Disabled(**kw),
        max_episode_steps=1,
    )
    specification = inspect_environment("Disabled-v0", {})
    assert specification.has_vector_entry_point
    environments = make_environments(specification, 100)
    assert isinstance(environments, SerialEnvironments)
    assert environments.num_envs == 50


class Noise(gymnasium.Env):
    """Observations are noise, rewards twice as much; episodes terminate after 4 steps."""

    action_space = spaces.Discrete(2)

    def __init__(self, size=2, factor=2.0, num_steps=4, **_):
        self.observation_space = spaces.Box(-1, 1, (size,))
        self.factor, self.num_steps = factor, num_steps

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.number = 0
        return self._draw(), {}

    def step(self, action):
        self.number += 1
        observation = self._draw()
        reward = self.factor * float(observation[0])
        return observation, reward, self.number == self.num_steps, False, {}

    def _draw(self):
        return self.np_random.uniform(-1, 1, self.observation_space.shape).astype(np.float32)


def refuse(num_envs, max_episode_steps):
    """Accept no keyword argument `size`."""


def vectorized(num_envs, **kwargs):
    return gymnasium.vector.SyncVectorEnv([lambda: Noise(**kwargs)] * num_envs)


@pytest.mark.parametrize(
    ("entry_point", "kind"),
    [
        (vectorized, VectorizedEnvironments),
        (refuse, SerialEnvironments),
        (lambda **kwargs: vectorized(**kwargs | {"size": 3}), SerialEnvironments),
        (lambda **kwargs: vectorized(**kwargs | {"factor": 3.0}), SerialEnvironments),
        (lambda **kwargs: vectorized(**kwargs | {"num_steps": 3}), SerialEnvironments),
        (lambda **kwargs: vectorized(**kwargs | {"num_steps": 9}), SerialEnvironments),
    ],
)
def test_vectorized_copies_are_used_only_if_they_match_a_single_environment(entry_point, kind):
    gymnasium.register("Noise-v0", Noise, vector_entry_point=entry_point, max_episode_steps=9)
    try:
        environments = make_environments(inspect_environment("Noise-v0", {"size": 2}), 3)
        assert type(environments) is kind
        environments.reset(seed=0)
        assert environments.step(np.arange(3), np.zeros(3, np.int64)).rewards.shape == (3,)
    finally:
        make._vector_entry_point_works.clear()
        del gymnasium.registry["Noise-v0"]


@pytest.mark.parametrize("env_id", ["CartPole-v1", "CartPole-v0"])
def test_gymnasiums_native_vector_environments_are_used(env_id):
    assert isinstance(make_environments(inspect_environment(env_id, {}), 3), VectorizedEnvironments)


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
def test_episodes_are_distributed_evenly_over_copies(env_id, num_episodes, num_envs):
    specification = inspect_environment(env_id, {})
    environments = make_environments(specification, num_episodes)
    assert environments.num_envs == count_copies(specification, num_episodes) == num_envs


@pytest.mark.parametrize("env_id", ["Bandit-v0", "CartPole-v1"])
def test_copies_can_be_limited(env_id):
    specification = inspect_environment(env_id, {})
    assert make_environments(specification, 16, 5).num_envs == 4  # each plays 4 episodes
    assert make_environments(specification, 16, 1000).num_envs == 16


def test_copies_flatten_observations_as_gymnasium_does():
    specification = inspect_environment("Everything-v0", {})
    environments = make_environments(specification, 2)
    environments.reset(seed=5)  # and 6 for the second one
    for copy, seed in enumerate([5, 6]):
        expected, _ = Everything().reset(seed=seed)
        flat = np.asarray(spaces.flatten(EVERYTHING, expected), np.float32)
        observed = environments.observations[copy].astype(np.float32)
        np.testing.assert_array_equal(observed, flat)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Everything-v0"])  # vectorized and serial
def test_the_specified_time_limit_truncates_episodes(env_id):
    specification = inspect_environment(env_id, {}, max_episode_steps=3)
    environments = make_environments(specification, 2)
    environments.reset(seed=0)
    actions = np.stack([specification.action_space.sample()] * 2)
    truncated = [environments.step(np.arange(2), actions).truncated.tolist() for _ in range(3)]
    assert truncated == [[False, False], [False, False], [True, True]]
