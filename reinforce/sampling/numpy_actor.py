"""A policy computed in NumPy: for few observations, faster than a call of TensorFlow.

In the shapes, N is the number of observations, O the size of one and P the number of outputs.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models.action import Action
from models.heads import AppendLogStandardDeviation, CategoricalHead, NormalHead
from models.heads.narrow import NarrowDense
from models.normalization import MAX_NORMALIZED, RunningNormalization
from models.policy import Policy
from reinforce.sampling.protocol import Actor
from reinforce.tuning import tuning

Layer = Callable[[np.ndarray], np.ndarray]  # [N, inputs] → [N, outputs]

# Difference of outputs in NumPy and in TensorFlow, relative to the largest output or 1. Rounding
# causes some 1e-6, and more where large terms cancel in all outputs.
TOLERANCE = 1e-4


class NumpyActor(Actor):
    """A policy whose actions are computed in NumPy, and their log-probabilities in TensorFlow.

    Args:
        policy: One that `is_computable`.
    """

    def __init__(self, policy: Policy) -> None:
        self._network, self._head = policy.network, policy.head
        self._observation_size = policy.observation_size

        def score(observations: tf.Tensor, actions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = policy.outputs(observations)
            return outputs, policy.head.log_prob(outputs, actions)

        shape, dtype = policy.head.action_shape, policy.head.action_dtype
        signature = [policy.sample_signature[0], tf.TensorSpec([None, *shape], dtype)]
        self._score = tf.function(score, input_signature=signature, autograph=False)

    @staticmethod
    def is_computable(policy: Policy) -> bool:
        """Return whether NumPy can compute a policy: its layers, and the samples of its head."""
        operations = getattr(policy.network, "operations", [])  # only of a network made by `Model`
        return (
            type(policy.head) in SAMPLE
            and not policy.head.mask_sizes
            and len(operations) > 1
            and isinstance(operations[0], keras.layers.InputLayer)
            and all(map(_is_computable, operations[1:]))
        )

    def begin(self, generator: np.random.Generator) -> None:
        """See `Actor`."""
        self._generator = generator
        self._layers = [_as_function(layer) for layer in self._network.operations[1:]]

    @np.errstate(all="ignore")  # the caller refuses actions that are not finite
    def act(self, observations: np.ndarray) -> Action:
        """See `Actor`. The outputs `[N, P + O]` are the network's, and the observations."""
        outputs = observations
        for layer in self._layers:
            outputs = layer(outputs)
        action, raw_action = SAMPLE[type(self._head)](self._head, outputs, self._generator)
        return Action(action, raw_action, np.concatenate([outputs, observations], axis=1))

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """See `Actor`.

        Raises:
            FloatingPointError: If TensorFlow computes other outputs than `act` has.
        """
        log_probs, size = [], tuning().eager_chunk_size
        for i in range(0, len(outputs), size):
            steps = slice(i, i + size)
            received, observations = np.split(outputs[steps], [-self._observation_size], axis=1)
            expected, log_prob = self._score(observations, raw_actions[steps])
            _require_agreement(received, expected.numpy())
            log_probs.append(log_prob.numpy())
        return np.concatenate(log_probs)


@np.errstate(invalid="ignore")
def _require_agreement(received: np.ndarray, expected: np.ndarray) -> None:
    """Raise FloatingPointError if outputs `[N, P]` in NumPy and in TensorFlow disagree.

    Outputs that are not finite pass; the sampler refuses their log-probabilities.
    """
    difference = np.abs(received - expected).max()
    allowed = TOLERANCE * max(1, np.abs(expected).max())
    if difference > allowed:
        raise FloatingPointError(
            f"the policy's outputs differ by up to {difference:.3g} between NumPy and TensorFlow "
            f"(expected at most {allowed:.3g})"
        )


def _is_computable(layer: keras.Operation) -> bool:
    if type(layer) in (keras.layers.Dense, NarrowDense):
        return layer.use_bias and layer.activation in ACTIVATIONS
    return type(layer) in (RunningNormalization, AppendLogStandardDeviation)


def _as_function(layer: keras.layers.Layer) -> Layer:
    """Return a layer with its current weights as a function of NumPy arrays."""
    if isinstance(layer, RunningNormalization):
        return _normalization(layer)
    if isinstance(layer, AppendLogStandardDeviation):
        return _appending(layer.log_standard_deviation.numpy())
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    activate = ACTIVATIONS[layer.activation]

    def dense(values: np.ndarray) -> np.ndarray:
        values = values @ kernel
        values += bias
        return activate(values)

    return dense


def _normalization(layer: RunningNormalization) -> Layer:
    if layer.count.numpy() == 0:
        return lambda values: values
    mean = layer.mean.numpy().astype(np.float32)
    deviation = np.asarray(layer.deviation).astype(np.float32)
    return lambda values: _clip((values - mean) / deviation, -MAX_NORMALIZED, MAX_NORMALIZED)


def _appending(columns: np.ndarray) -> Layer:
    def append(values: np.ndarray) -> np.ndarray:
        appended = np.empty((len(values), values.shape[1] + len(columns)), values.dtype)
        appended[:, : values.shape[1]] = values
        appended[:, values.shape[1] :] = columns
        return appended

    return append


def _clip(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """Clip as `np.clip` does, which takes a microsecond more."""
    return np.minimum(np.maximum(values, low), high)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(0.5 * values) + 0.5


ACTIVATIONS: dict[Callable[..., tf.Tensor], Layer] = {
    keras.activations.linear: lambda x: x,
    keras.activations.tanh: np.tanh,
    keras.activations.relu: lambda x: np.maximum(x, 0),
    keras.activations.elu: lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0)),
    keras.activations.silu: lambda x: x * _sigmoid(x),
    keras.activations.sigmoid: _sigmoid,
}


def _sample_normal(
    head: NormalHead, outputs: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    means, log_standard_deviations = outputs[:, : head.low.size], outputs[:, head.low.size :]
    noise = generator.standard_normal(means.shape, np.float32)
    raw_actions = means + np.exp(log_standard_deviations) * noise
    raw_actions = raw_actions.reshape(-1, *head.action_shape)
    # Cast before clipping, as the head does.
    return _clip(raw_actions.astype(head.low.dtype, copy=False), head.low, head.high), raw_actions


def _sample_categorical(
    head: CategoricalHead, outputs: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    uniform = np.maximum(generator.random(outputs.shape, np.float32), np.finfo(np.float32).tiny)
    gumbel = -np.log(-np.log(uniform))
    raw_actions = head.start + (outputs + gumbel).argmax(axis=1)
    return raw_actions.astype(head.environment_dtype.as_numpy_dtype), raw_actions


# By type of head: a function of the head, outputs `[N, P]` and a generator that returns actions, as
# the environment takes them, and raw actions, both `[N, *action_shape]`.
SAMPLE: dict[type, Callable[[Any, np.ndarray, np.random.Generator], tuple[np.ndarray, ...]]] = {
    NormalHead: _sample_normal,
    CategoricalHead: _sample_categorical,
}
