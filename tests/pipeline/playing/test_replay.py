"""A recorded episode and the one that is played again are the same."""

import gymnasium
import numpy as np
from gymnasium import spaces

from environments.specification import inspect_environment
from pipeline.playing.environments import make_environment
from pipeline.playing.replay import record, replay


class Global(gymnasium.Env):
    """Draws its rewards from the generator that a process shares, once when it is made."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space, action_space = spaces.Box(-1, 1, (1,)), spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.offset = np.random.normal()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, _):
        return np.zeros(1, np.float32), self.offset + np.random.normal(), False, False, {}


gymnasium.register("Global-v0", lambda **kwargs: Global(**kwargs), max_episode_steps=5)


def test_draws_from_the_global_generator_are_repeated():
    specification = inspect_environment("Global-v0", {})
    env = make_environment(specification, None)
    episode = record(env, lambda _: np.zeros(1, np.int64), "Global-v0")
    assert len(np.unique(episode["reward"])) == 5
    shown: list[None] = []
    env = make_environment(specification, "rgb_array")
    replay(env, episode, "Global-v0", lambda: shown.append(None))
    assert len(shown) == 6
