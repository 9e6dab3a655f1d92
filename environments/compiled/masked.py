"""A compiled environment whose observations end with the mask of legal actions."""

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from environments.protocol import MaskingEnvironment, State


class MaskedEnvironment:
    """An environment with observations `[E, O + A]`: the features, then 1 for each legal action.

    Args:
        environment: Computes masks of legal actions.
        mask_size: A, the number of entries of the mask.
    """

    def __init__(self, environment: MaskingEnvironment, mask_size: int) -> None:
        self._observe, self._action_mask = environment.observe, environment.action_mask
        space = environment.observation_space
        self.observation_space = spaces.Box(
            np.concatenate([space.low, np.zeros(mask_size)]).astype(np.float32),
            np.concatenate([space.high, np.ones(mask_size)]).astype(np.float32),
        )
        self.action_space = environment.action_space
        self.max_episode_steps = environment.max_episode_steps
        self.reset, self.step = environment.reset, environment.step

    def observe(self, state: State) -> tf.Tensor:
        """See `CompiledEnvironment`."""
        mask = tf.cast(self._action_mask(state), tf.float32)
        return tf.concat([self._observe(state), mask], axis=1)
