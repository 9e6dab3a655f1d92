"""The policy π(a|s): a Keras network whose outputs parametrise a distribution over actions."""

from functools import partial

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from models.action import Action
from models.heads import ActionHead, mask_logits


class Policy:
    """A network and an action head.

    Where the head is masked, the policy is given vectors of I = O + A components: the observation,
    then the mask of legal actions, 1 where an action is legal. The network sees the observation
    alone. Else I = O.

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

    @property
    def input_size(self) -> int:
        """I, the number of components of an observation and its mask."""
        return self.observation_size + sum(self.head.mask_sizes)

    def outputs(self, observations: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Observations `[…, I]` → the network's outputs `[…, P]`, those of illegal actions masked.

        Args:
            observations: `[…, I]`.
            training: Whether a gradient will be taken of them. Defaults to False.
        """
        network = partial(self.network, training=True) if training else self.network
        if self.head.mask_sizes:
            network = partial(self._masked, network)
        if len(observations.shape) == 2:
            return network(observations)
        flat = network(tf.reshape(observations, [-1, self.input_size]))  # [N, P]
        shape = tf.concat([tf.shape(observations)[:-1], [flat.shape[-1]]], axis=0)
        return tf.reshape(flat, shape)

    def _masked(self, network: keras.Model, observations: tf.Tensor) -> tf.Tensor:
        sizes = self.head.mask_sizes
        observations, mask = tf.split(observations, [self.observation_size, sum(sizes)], axis=-1)
        return mask_logits(network(observations), mask, sizes)

    def distribution(self, observations: tf.Tensor) -> tfd.Distribution:
        """Observations `[…, I]` → π(·|s), batch shape `[…]`."""
        return self.head.distribution(self.outputs(observations))

    @property
    def sample_signature(self) -> list[tf.TensorSpec]:
        """The input signature of `sample`, for any number of observations."""
        return [
            tf.TensorSpec([None, self.input_size], tf.float32, name="observation"),
            tf.TensorSpec([2], tf.int32, name="seed"),
        ]

    def sample(self, observations: tf.Tensor, seed: tf.Tensor) -> Action:
        """Draws an action for each observation `[E, I]` with a stateless seed `[2]` (int32)."""
        return self.act(observations, self.head.noise(tf.shape(observations)[:1], seed))

    def act(self, observations: tf.Tensor, noise: tf.Tensor) -> Action:
        """The action that `noise`, of the head for `[E]`, makes of each observation `[E, I]`."""
        outputs = self.outputs(observations)
        raw_action = self.head.sample(outputs, noise)
        return Action(
            action=self.head.for_environment(raw_action),
            raw_action=raw_action,
            outputs=outputs,
        )

    def greedy(self, observations: tf.Tensor) -> tf.Tensor:
        """The mode of π(·|s), of a squashed Normal the median: observations `[E, I]` → actions.

        As the environment takes them.
        """
        return self.head.for_environment(self.head.mode(self.outputs(observations)))
