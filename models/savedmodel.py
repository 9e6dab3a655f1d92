"""Export of a policy as a SavedModel that depends only on TensorFlow."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef

from models.policy import Policy


class ServablePolicy:
    """A policy in the form that is saved: a `tf.Module` with copied variables, and signatures.

    A `tf.Module` that contains a Keras 3 model can be saved and loaded again in Python. The C++
    loader refuses it, and with it TF Serving and `saved_model_cli run`. Therefore the module holds
    copies of the variables, and `stateless_call` runs the network on them.

    Args:
        policy: A policy whose network is a Keras model.
    """

    def __init__(self, policy: Policy) -> None:
        network = policy.network
        self.module = tf.Module(name="policy")
        self.module.weights = [_copied(variable) for variable in network.trainable_variables]
        self.module.statistics = [_copied(v) for v in network.non_trainable_variables]
        self._network = network
        self._policy = Policy(
            network=lambda observations: network.stateless_call(
                self.module.weights, self.module.statistics, observations
            )[0],
            head=policy.head,
            observation_size=policy.observation_size,
        )
        self._signatures = self.signatures()

    def signatures(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """Return the exported functions by name, for any number E of observations.

        serving_default: observation `[E, O]` → action, the greedy one.
        sample: observation `[E, O]`, seed `[2]` → action, raw_action, log_prob `[E]`.
        distribution: observation `[E, O]` → the action distribution's parameters, `[E]` each.
        log_prob: observation `[E, O]`, raw action → log_prob `[E]`.

        With a masked head, each function also takes an action_mask `[E, A]` bool, True for legal
        actions. Log-probabilities and parameters are NaN for an observation without legal actions.

        The functions raise InvalidArgumentError for inputs of any other shape.
        """
        policy = self._policy
        head = policy.head
        _, seed = policy.sample_signature
        observed = [tf.TensorSpec([None, policy.observation_size], tf.float32, name="observation")]
        if head.mask_sizes:
            mask = tf.TensorSpec([None, sum(head.mask_sizes)], tf.bool, name="action_mask")
            observed.append(mask)
        action = tf.TensorSpec([None, *head.action_shape], head.action_dtype, name="action")

        def sample(observation: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            action, raw_action, outputs = policy.sample(observation, seed)
            log_prob = head.log_prob(outputs, raw_action)
            return {"action": action, "raw_action": raw_action, "log_prob": log_prob}

        def parameters(observation: tf.Tensor) -> dict[str, tf.Tensor]:
            columns = tf.unstack(head.parameters(policy.outputs(observation)), axis=-1)
            return dict(zip(head.parameter_names, columns, strict=True))

        def greedy(observation: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"action": policy.greedy(observation)}

        def log_prob(observation: tf.Tensor, action: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"log_prob": head.log_prob(policy.outputs(observation), action)}

        return {
            "serving_default": _compile_with_checks(greedy, observed),
            "sample": _compile_with_checks(sample, observed, seed),
            "distribution": _compile_with_checks(parameters, observed),
            "log_prob": _compile_with_checks(log_prob, observed, action),
        }

    def save(self, folder: Path) -> None:
        """Write the policy with its current weights as a SavedModel.

        The functions are traced once, by the constructor, however often `save` is called.

        A fresh process that saves the same weights in the same order writes the same bytes. The
        process must be fresh, because TensorFlow numbers functions consecutively within a process.
        TensorFlow also writes a random uuid to fingerprint.pb; it is set to 0 here.
        """
        for copies, variables in [
            (self.module.weights, self._network.trainable_variables),
            (self.module.statistics, self._network.non_trainable_variables),
        ]:
            for copy, variable in zip(copies, variables, strict=True):
                copy.assign(variable.value)
        tf.saved_model.save(self.module, str(folder), signatures=self._signatures)
        fingerprint_file = folder / "fingerprint.pb"
        fingerprint = FingerprintDef.FromString(fingerprint_file.read_bytes())
        fingerprint.uuid = "0"
        fingerprint_file.write_bytes(fingerprint.SerializeToString(deterministic=True))


def _compile_with_checks(
    function: Callable[..., dict[str, tf.Tensor]],
    observed: Sequence[tf.TensorSpec],
    *others: tf.TensorSpec,
) -> tf.types.experimental.GenericFunction:
    """Compile a function that checks the shapes of its inputs.

    A loaded SavedModel checks only dtypes, and normalization would broadcast an observation that is
    too short.

    Args:
        function: Takes the policy's input `[E, I]` and any further inputs.
        observed: Specifies the observation, and the mask if there is one.
        others: Specify the further inputs.
    """
    signature = [*observed, *others]

    def checked(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = tuple(map(tf.ensure_shape, inputs, (spec.shape for spec in signature)))
        observation, *mask = inputs[: len(observed)]
        if mask:
            observation = tf.concat([observation, tf.cast(mask[0], observation.dtype)], axis=-1)
        return function(observation, *inputs[len(observed) :])

    # Nothing in a policy needs AutoGraph, whose conversion would take most of the time.
    return tf.function(checked, input_signature=signature, autograph=False)


def _copied(variable: keras.Variable) -> tf.Variable:
    name = variable.path.replace("/", "_")
    return tf.Variable(variable.value, trainable=variable.trainable, name=name)


def save(policy: Policy, folder: Path) -> None:
    """Write one policy as a SavedModel; see `ServablePolicy.save`."""
    ServablePolicy(policy).save(folder)
