"""Small environments with known best policies, one for each kind of action and observation.

Use them as `tests.environments.made_up:Id`, like third-party environments.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

NUM_STEPS = 3


class Repeat(gymnasium.Env[Any, Any]):
    """The best action repeats the observation; each step is rewarded by 1 minus the mean error.

    An error above 1 ends the episode, and later rewards are lost.

    Args:
        action_space: The action space, from which targets are drawn.
        observation_space: The space of observations.
        observe: Maps a target to an observation.
    """

    def __init__(self, action_space, observation_space, observe):
        self.action_space = action_space
        self.observation_space = observation_space
        self._observe = observe

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.action_space.seed(seed)
        return self._draw(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        difference = np.asarray(action, float) - np.asarray(self._target, float)
        reward = 1 - float(np.mean(np.abs(difference)))
        return self._draw(), reward, reward < 0, False, {}

    def _draw(self):
        self._target = self.action_space.sample()
        return self._observe(self._target)


def discrete(**_):
    """Observe targets unchanged, with actions numbered from 2."""
    return Repeat(spaces.Discrete(3, start=2), spaces.Discrete(3, start=2), lambda target: target)


def multi_discrete(**_):
    """Observe a tuple of numbers."""
    space = spaces.MultiDiscrete([2, 3])
    observed = spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3)])
    return Repeat(space, observed, lambda target: tuple(target))


def multi_binary(**_):
    """Observe bits."""
    return Repeat(spaces.MultiBinary(3), spaces.MultiBinary(3), lambda target: target)


def box_in_a_dict(**_):
    """Observe a bounded matrix in a dictionary, next to constant bytes."""
    space = spaces.Box(-2, 1, (1, 2))
    observed = spaces.Dict(target=space, bytes=spaces.Box(0, 255, (2,), np.uint8))
    return Repeat(
        space, observed, lambda target: {"target": target, "bytes": np.array([3, 200], np.uint8)}
    )


def multi_discrete_of_numbers(**_):
    """Observe numbers far from 0, of rank 2."""
    space = spaces.MultiDiscrete(np.array([[2], [2]]))
    observed = spaces.Box(0, 1000, (2, 1), np.int64)
    return Repeat(space, observed, lambda target: 990 + 10 * target)


EVERYTHING = spaces.Dict(
    position=spaces.Box(-1, 1, (2, 3), np.float64),
    color=spaces.Box(0, 255, (2,), np.uint8),
    place=spaces.Tuple([spaces.Discrete(4, start=2), spaces.MultiDiscrete([2, 3])]),
    switches=spaces.MultiBinary(3),
)


class Everything(gymnasium.Env):
    """Observations are samples of all kinds of spaces."""

    observation_space = EVERYTHING
    action_space = spaces.MultiBinary(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert action in self.action_space
        return self.observation_space.sample(), 1.0, False, False, {}


for name, entry_point in [
    ("Discrete", discrete),
    ("MultiDiscrete", multi_discrete),
    ("MultiDiscreteOfNumbers", multi_discrete_of_numbers),
    ("MultiBinary", multi_binary),
    ("Box", box_in_a_dict),
]:
    gymnasium.register(f"Repeat{name}-v0", entry_point, max_episode_steps=NUM_STEPS)
gymnasium.register("Everything-v0", lambda **_: Everything(), max_episode_steps=4)
