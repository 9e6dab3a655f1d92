"""Recording an episode and replaying it."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from environments.specification import inspect_environment
from pipeline.play import play_episodes
from pipeline.playing.environments import make_environment
from pipeline.playing.replay import record, replay
from pipeline.task.errors import UserError


class Global(gymnasium.Env):
    """An environment that draws from NumPy's global generator, also when it is made."""

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


class Odd(Global):
    """An environment that replaces one part of the result of each step by a given value."""

    def __init__(self, part, value, **_):
        super().__init__()
        self.part, self.value = part, value

    def step(self, action):
        outcome = list(super().step(action))
        outcome[self.part] = self.value
        return tuple(outcome)


gymnasium.register("Odd-v0", lambda **kwargs: Odd(**kwargs), max_episode_steps=5)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        (0, ["0.5"], r"step 2: expected numbers of shape \(1,\) as the observation, received <U3"),
        (1, np.ones(1), "step 1: expected a number as the reward, received float64 of shape"),
        (1, "1", "step 1: expected a number as the reward, received '1' of type str"),
        (2, "False", "step 1: expected true or false as terminated, received 'False' of type"),
    ],
)
def test_results_that_are_not_numbers_are_refused(part, value, message):
    env = make_environment(inspect_environment("Odd-v0", {"part": part, "value": value}), None)
    with pytest.raises(UserError, match=f"^Odd-v0: {message}"):
        record(env, lambda _: np.zeros(1, np.int64), "Odd-v0")
    with pytest.raises(UserError, match=f"^Odd-v0: episode 1, {message}"):
        list(play_episodes(env, lambda *_: np.zeros(1, np.int64), 1, 0, "Odd-v0"))
