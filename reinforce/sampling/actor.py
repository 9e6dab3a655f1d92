"""A policy compiled to be asked for actions step by step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from models.policy import Action, Policy
from reinforce.sampling.protocol import Actor


class CompiledActor(Actor):
    """A policy that samples, compiled for any number of observations."""

    def __init__(self, policy: Policy) -> None:
        sample = tf.function(policy.sample, input_signature=policy.sample_signature)
        sample = sample.get_concrete_function()
        self._sample = direct_call(sample)
        _, raw_action, outputs = sample.outputs
        self._log_prob = tf.function(
            policy.head.log_prob,
            input_signature=[tf.TensorSpec.from_tensor(t) for t in (outputs, raw_action)],
        )

    def act(self, observations: np.ndarray, seed: np.ndarray) -> Action:
        """See `Actor`."""
        return Action(*self._sample(observations, seed))

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """See `Actor`."""
        return self._log_prob(outputs, raw_actions).numpy()


def direct_call(
    function: tf.types.experimental.ConcreteFunction,
) -> Callable[..., list[np.ndarray]]:
    """Call a function's graph without the checks and conversions around it, at half the cost.

    Args:
        function: Its arguments and results are tensors.

    Returns:
        A function of NumPy arrays of the right types and shapes, in the order of `function`'s
        inputs. It returns arrays in the order of its outputs: by name, if it returns a dictionary.
    """
    captured = function.captured_inputs  # the variables, which may change
    dtypes = [output.dtype for output in function.outputs]

    def call(*arguments: Any) -> list[np.ndarray]:
        operands = [*arguments, *captured]
        results = tf.raw_ops.StatefulPartitionedCall(args=operands, Tout=dtypes, f=function)
        return [result.numpy() for result in results]

    return call
