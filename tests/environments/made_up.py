"""Small environments whose best policies are known, one for each kind of action and observation.

Imported as `tests.environments.made_up:Id`, as a third party's environments are.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

NUM_STEPS = 3


class Repeat(gymnasium.Env[Any, Any]):
    """Rewards the action that repeats what is observed: 1 for each step, less by what it is off.

    An action that is off by more than 1 ends the episode, which forgoes the rest.

    Args:
        action_space: Of the actions.
        observe: What is observed of a target, which is one of the actions.
        observation_space: Of that.
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
    """Actions from 2, observed as they are."""
    return Repeat(spaces.Discrete(3, start=2), spaces.Discrete(3, start=2), lambda target: target)


def multi_discrete(**_):
    """Observed as a tuple of numbers."""
    space = spaces.MultiDiscrete([2, 3])
    observed = spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3)])
    return Repeat(space, observed, lambda target: tuple(target))


def multi_binary(**_):
    """Observed as bits."""
    return Repeat(spaces.MultiBinary(3), spaces.MultiBinary(3), lambda target: target)


def box_in_a_dict(**_):
    """A matrix of numbers between bounds, observed in a dictionary beside noise."""
    space = spaces.Box(-2, 1, (1, 2))
    observed = spaces.Dict(target=space, bytes=spaces.Box(0, 255, (2,), np.uint8))
    return Repeat(
        space, observed, lambda target: {"target": target, "bytes": np.array([3, 200], np.uint8)}
    )


def multi_discrete_of_numbers(**_):
    """Observed as numbers, of rank 2 and far from 0."""
    space = spaces.MultiDiscrete(np.array([[2], [2]]))
    observed = spaces.Box(0, 1000, (2, 1), np.int64)
    return Repeat(space, observed, lambda target: 990 + 10 * target)


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


for name, entry_point in [
    ("Discrete", discrete),
    ("MultiDiscrete", multi_discrete),
    ("MultiDiscreteOfNumbers", multi_discrete_of_numbers),
    ("MultiBinary", multi_binary),
    ("Box", box_in_a_dict),
]:
    gymnasium.register(f"Repeat{name}-v0", entry_point, max_episode_steps=NUM_STEPS)
gymnasium.register("Everything-v0", lambda **_: Everything(), max_episode_steps=4)
