"""A policy compiled for sampling step by step."""

import numpy as np
import tensorflow as tf

from models.action import Action
from models.policy import Policy
from reinforce.sampling.direct_call import direct_call
from reinforce.sampling.protocol import Actor
from reinforce.sampling.seeds import draw_seeds


class CompiledActor(Actor):
    """A policy compiled for any number of observations."""

    def __init__(self, policy: Policy) -> None:
        sample = tf.function(policy.sample, input_signature=policy.sample_signature)
        sample = sample.get_concrete_function()
        self._sample = direct_call(sample)
        _, raw_action, outputs = sample.outputs
        self._log_prob = tf.function(
            policy.head.log_prob,
            input_signature=[tf.TensorSpec.from_tensor(t) for t in (outputs, raw_action)],
        )

    def begin(self, generator: np.random.Generator) -> None:
        """See `Actor`."""
        self._seeds = draw_seeds(generator)

    def act(self, observations: np.ndarray) -> Action:
        """See `Actor`."""
        return Action(*self._sample(observations, next(self._seeds)))

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """See `Actor`."""
        return self._log_prob(outputs, raw_actions).numpy()
