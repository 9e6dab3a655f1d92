"""A policy as an actor, compiled by TensorFlow or computed in NumPy."""

import numpy as np
import tensorflow as tf

from models.action import Action
from models.policy import Policy
from reinforce.sampling.direct_call import direct_call
from reinforce.sampling.numpy_actor import NumpyActor
from reinforce.sampling.protocol import Actor
from reinforce.sampling.seeds import draw_seeds

MAX_COPIES = 64  # with more, TensorFlow's faster tanh outweighs the cost of its call


def make_actor(policy: Policy, num_copies: int) -> Actor:
    """Make the faster actor for `num_copies` environment copies; CompiledActor fits any policy."""
    # On a GPU, TensorFlow rounds the factors of matrix products, unlike NumPy.
    has_gpu = bool(tf.config.list_logical_devices("GPU"))
    if num_copies <= MAX_COPIES and not has_gpu and NumpyActor.is_computable(policy):
        return NumpyActor(policy)
    return CompiledActor(policy)


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
