"""Count to exactly seven, in Gymnasium and compiled; steps beyond seven are illegal.

Import it as `tests.environments.count_to_seven:CountToSeven-v0`.
"""

from typing import NamedTuple

import gymnasium
import numpy as np
import tensorflow as tf
from gymnasium import spaces

from environments.compiled.registry import register
from environments.protocol import State

ID = "tests.environments.count_to_seven:CountToSeven-v0"
LARGEST, GOAL = 3, 7


class CountToSeven(gymnasium.Env):
    """Action a (0, 1 or 2) counts a + 1. Each step costs 1, so larger legal steps are better.

    With `num_counters`, several counters count in parallel. The first at seven ends the episode.

    Args:
        in_info: If True, the mask is in info, else in the observation.
        num_counters: Number of counters, with MultiDiscrete actions. Defaults to a single counter
            with Discrete actions.
        mask: Function that changes the mask. Defaults to the identity.
    """

    def __init__(self, in_info=False, num_counters=None, mask=lambda mask: mask):
        size = num_counters or 1
        self.action_space = spaces.Discrete(LARGEST)
        if num_counters:
            self.action_space = spaces.MultiDiscrete([LARGEST] * size)
        counters = spaces.Box(0, GOAL + LARGEST, (size,), np.int64)
        self.observation_space = counters
        if not in_info:
            legal = spaces.Box(0, 1, (size * LARGEST,), np.int8)
            self.observation_space = spaces.Dict(action_mask=legal, count=counters)
        self.in_info, self.change = in_info, mask

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = self.np_random.integers(0, 4, self.action_space.shape or (1,))
        return self._observed()

    def step(self, action):
        self.count = self.count + np.ravel(action) + 1
        if (self.count > GOAL).any():
            raise ValueError(f"{action} is illegal")
        observation, info = self._observed()
        return observation, -1.0, bool((self.count == GOAL).any()), False, info

    def _observed(self):
        steps = np.arange(1, LARGEST + 1)
        legal = (self.count[:, np.newaxis] + steps <= GOAL).astype(np.int8).ravel()
        mask = {"action_mask": self.change(legal)}
        return (self.count, mask) if self.in_info else ({"count": self.count, **mask}, {})


class CountState(NamedTuple):
    count: tf.Tensor  # [E] int32


class CompiledCountToSeven:
    """The compiled version, with its mask."""

    def __init__(self, in_info=False, max_episode_steps=10):
        del in_info
        self.observation_space = spaces.Box(0, GOAL + LARGEST, (1,), np.int64)
        self.action_space = spaces.Discrete(LARGEST)
        self.max_episode_steps = max_episode_steps

    def reset(self, num_envs: int, seed: tf.Tensor) -> State:
        return CountState(tf.random.stateless_uniform([num_envs], seed, 0, 4, tf.int32))

    def observe(self, state: State) -> tf.Tensor:
        return tf.cast(state.count, tf.float32)[:, tf.newaxis]

    def action_mask(self, state: State) -> tf.Tensor:
        return state.count[:, tf.newaxis] + tf.range(1, LARGEST + 1) <= GOAL

    def step(self, state: State, actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        count = state.count + tf.cast(actions, tf.int32) + 1
        return CountState(count), tf.fill(tf.shape(count), -1.0), count >= GOAL


gymnasium.register("CountToSeven-v0", f"{__name__}:CountToSeven", max_episode_steps=10)
register("CountToSeven-v0", f"{__name__}:CompiledCountToSeven", ["in_info"], "action_mask")
