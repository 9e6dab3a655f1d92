"""The policy as a SavedModel that needs TensorFlow alone."""

from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef

from models.policy import Policy


class ServablePolicy(tf.Module):
    """A policy whose weights are the module's own variables, with its signatures.

    A Keras 3 model inside a `tf.Module` gives a SavedModel that Python loads but that the C++
    loader, hence TF Serving and `saved_model_cli run`, refuses. So the variables are copies, and
    the network is run on them by `stateless_call`.

    Args:
        policy: Its network must be a Keras model.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__(name="policy")
        network = policy.network
        self.weights = [_copied(variable) for variable in network.trainable_variables]
        self.statistics = [_copied(variable) for variable in network.non_trainable_variables]
        self._policy = Policy(
            network=lambda observations: network.stateless_call(
                self.weights, self.statistics, observations
            )[0],
            head=policy.head,
            observation_size=policy.observation_size,
        )

    def signatures(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """The functions to be exported, by name; E is any number of observations.

        serving_default: observation `[E, O]` → action, the most probable one.
        sample: observation `[E, O]`, seed `[2]` → action, raw_action, log_prob `[E]`.
        distribution: observation `[E, O]` → the action distribution's parameters, `[E]` each.
        log_prob: observation `[E, O]`, action (as sampled) → log_prob `[E]`.
        """
        policy = self._policy
        head = policy.head
        observation, seed = policy.sample_signature
        action = tf.TensorSpec([None, *head.action_shape], head.action_dtype, name="action")

        def parameters(observation: tf.Tensor) -> dict[str, tf.Tensor]:
            columns = tf.unstack(head.parameters(policy.outputs(observation)), axis=-1)
            return dict(zip(head.parameter_names, columns, strict=True))

        return {
            "serving_default": tf.function(
                lambda observation: {"action": policy.greedy(observation)},
                input_signature=[observation],
            ),
            "sample": tf.function(
                lambda observation, seed: policy.sample(observation, seed)._asdict(),
                input_signature=[observation, seed],
            ),
            "distribution": tf.function(parameters, input_signature=[observation]),
            "log_prob": tf.function(
                lambda observation, action: {
                    "log_prob": head.log_prob(policy.outputs(observation), action)
                },
                input_signature=[observation, action],
            ),
        }


def _copied(variable: keras.Variable) -> tf.Variable:
    return tf.Variable(variable.value, name=variable.path.replace("/", "_"))


def save(policy: Policy, folder: Path) -> None:
    """Writes a policy as a SavedModel; the same weights in a fresh process give the same bytes.

    TensorFlow numbers the functions of a process and puts a random uuid into fingerprint.pb: the
    former asks for a process that does nothing else, the latter is set to 0 here.
    """
    module = ServablePolicy(policy)
    tf.saved_model.save(module, str(folder), signatures=module.signatures())
    fingerprint_file = folder / "fingerprint.pb"
    fingerprint = FingerprintDef.FromString(fingerprint_file.read_bytes())
    fingerprint.uuid = "0"
    fingerprint_file.write_bytes(fingerprint.SerializeToString(deterministic=True))
