"""The policy as a SavedModel that needs TensorFlow alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef

from models.policy import Policy


class ServablePolicy:
    """A policy as it is saved: with variables of the SavedModel's own, and signatures.

    A Keras 3 model inside a `tf.Module` gives a SavedModel that Python loads but that the C++
    loader, hence TF Serving and `saved_model_cli run`, refuses. So the module's variables are
    copies, and the network is run on them by `stateless_call`.

    Args:
        policy: Its network must be a Keras model.
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
        """The functions to be exported, by name; E is any number of observations.

        Inputs of other shapes than these are an error.

        serving_default: observation `[E, O]` → action, the greedy one.
        sample: observation `[E, O]`, seed `[2]` → action, raw_action, log_prob `[E]`.
        distribution: observation `[E, O]` → the action distribution's parameters, `[E]` each.
        log_prob: observation `[E, O]`, action (as sampled) → log_prob `[E]`.

        Where the head is masked, all take an action_mask `[E, A]` bool, too: True where an action
        is legal. Where none is, log-probabilities and parameters are NaN.
        """
        policy = self._policy
        head = policy.head
        _, seed = policy.sample_signature
        seen = [tf.TensorSpec([None, policy.observation_size], tf.float32, name="observation")]
        if head.mask_sizes:
            seen.append(tf.TensorSpec([None, sum(head.mask_sizes)], tf.bool, name="action_mask"))
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
            "serving_default": _enforced(greedy, seen),
            "sample": _enforced(sample, seen, seed),
            "distribution": _enforced(parameters, seen),
            "log_prob": _enforced(log_prob, seen, action),
        }

    def save(self, folder: Path) -> None:
        """Writes the policy, with the weights it has now, as a SavedModel.

        What does not depend on weights is traced once for all. The same weights, saved in the same
        order by a fresh process, give the same bytes: TensorFlow numbers the functions of a
        process, which asks for one that does nothing else, and puts a random uuid into
        fingerprint.pb, which is set to 0 here.
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


def _enforced(
    function: Callable[..., dict[str, tf.Tensor]],
    seen: Sequence[tf.TensorSpec],
    *others: tf.TensorSpec,
) -> tf.types.experimental.GenericFunction:
    """Compile a function that refuses inputs of other shapes than its signature states.

    A loaded SavedModel checks types only, and normalization would broadcast a shorter observation.

    Args:
        function: Its first input is what the policy sees.
        seen: The parts of that: the observation, and the mask if there is one.
        others: Its other inputs.
    """
    signature = [*seen, *others]

    def checked(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = tuple(map(tf.ensure_shape, inputs, (spec.shape for spec in signature)))
        observation, *mask = inputs[: len(seen)]
        if mask:
            observation = tf.concat([observation, tf.cast(mask[0], observation.dtype)], axis=-1)
        return function(observation, *inputs[len(seen) :])

    return tf.function(checked, input_signature=signature)


def _copied(variable: keras.Variable) -> tf.Variable:
    name = variable.path.replace("/", "_")
    return tf.Variable(variable.value, trainable=variable.trainable, name=name)


def save(policy: Policy, folder: Path) -> None:
    """Writes one policy as a SavedModel; see `ServablePolicy.save`."""
    ServablePolicy(policy).save(folder)
