"""The policy π(a|s): a Keras network whose outputs parametrise a distribution over actions."""

from functools import partial

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from models.action import Action
from models.heads import ActionHead


class Policy:
    """A network and an action head.

    Args:
        network: A Keras model, or anything else that maps observations `[N, O]` to outputs
            `[N, P]`.
        head: What the outputs mean.
        observation_size: O, the number of components of an observation.
    """

    def __init__(self, network: keras.Model, head: ActionHead, observation_size: int) -> None:
        self.network = network
        self.head = head
        self.observation_size = observation_size

    def outputs(self, observations: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Observations `[…, O]` → the network's outputs `[…, P]`.

        Args:
            observations: `[…, O]`.
            training: Whether a gradient will be taken of them. Defaults to False.
        """
        network = partial(self.network, training=True) if training else self.network
        if len(observations.shape) == 2:
            return network(observations)
        flat = network(tf.reshape(observations, [-1, self.observation_size]))  # [N, P]
        shape = tf.concat([tf.shape(observations)[:-1], [flat.shape[-1]]], axis=0)
        return tf.reshape(flat, shape)

    def distribution(self, observations: tf.Tensor) -> tfd.Distribution:
        """Observations `[…, O]` → π(·|s), batch shape `[…]`."""
        return self.head.distribution(self.outputs(observations))

    @property
    def sample_signature(self) -> list[tf.TensorSpec]:
        """The input signature of `sample`, for any number of observations."""
        return [
            tf.TensorSpec([None, self.observation_size], tf.float32, name="observation"),
            tf.TensorSpec([2], tf.int32, name="seed"),
        ]

    def sample(self, observations: tf.Tensor, seed: tf.Tensor) -> Action:
        """Draws an action for each observation `[E, O]` with a stateless seed `[2]` (int32)."""
        return self.act(observations, self.head.noise(tf.shape(observations)[:1], seed))

    def act(self, observations: tf.Tensor, noise: tf.Tensor) -> Action:
        """The action that `noise`, of the head for `[E]`, makes of each observation `[E, O]`."""
        outputs = self.outputs(observations)
        raw_action = self.head.sample(outputs, noise)
        return Action(
            action=self.head.for_environment(raw_action),
            raw_action=raw_action,
            outputs=outputs,
        )

    def greedy(self, observations: tf.Tensor) -> tf.Tensor:
        """The mode of π(·|s), of a squashed Normal the median: observations `[E, O]` → actions.

        As the environment takes them.
        """
        return self.head.for_environment(self.head.mode(self.outputs(observations)))
