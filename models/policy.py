"""The policy π(a|s): a Keras network whose outputs parametrize a distribution over actions."""

from functools import partial

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from models.action import Action
from models.heads import ActionHead, mask_logits


class Policy:
    """A network and the action head that interprets its outputs.

    With a masked head, the policy's inputs have I = O + A components: the observation, then the
    mask, which is 1 for each legal action. The network receives only the observation. Without a
    mask, I = O.

    Args:
        network: A Keras model, or any other callable that maps observations `[N, O]` to outputs
            `[N, P]`.
        head: Turns the outputs into a distribution over actions.
        observation_size: O, the number of components of an observation.
    """

    def __init__(self, network: keras.Model, head: ActionHead, observation_size: int) -> None:
        self.network = network
        self.head = head
        self.observation_size = observation_size

    @property
    def input_size(self) -> int:
        """I, the number of components of an observation together with its mask."""
        return self.observation_size + sum(self.head.mask_sizes)

    def outputs(self, observations: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the network's outputs, with the logits of illegal actions masked.

        Args:
            observations: `[…, I]`, each followed by its mask if the head is masked.
            training: Whether the outputs will be differentiated. Defaults to False.

        Returns:
            `[…, P]`.
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
        """Return π(·|s) for observations `[…, I]`, with batch shape `[…]`."""
        return self.head.distribution(self.outputs(observations))

    @property
    def sample_signature(self) -> list[tf.TensorSpec]:
        """The input signature of `sample`, for any number of observations."""
        return [
            tf.TensorSpec([None, self.input_size], tf.float32, name="observation"),
            tf.TensorSpec([2], tf.int32, name="seed"),
        ]

    def sample(self, observations: tf.Tensor, seed: tf.Tensor) -> Action:
        """Sample an action for each observation `[E, I]`, with a stateless seed `[2]` int32."""
        return self.act(observations, self.head.noise(tf.shape(observations)[:1], seed))

    def act(self, observations: tf.Tensor, noise: tf.Tensor) -> Action:
        """Sample an action for each observation `[E, I]`, given the head's `noise` for `[E]`."""
        outputs = self.outputs(observations)
        raw_action = self.head.sample(outputs, noise)
        return Action(
            action=self.head.for_environment(raw_action),
            raw_action=raw_action,
            outputs=outputs,
        )

    def greedy(self, observations: tf.Tensor) -> tf.Tensor:
        """Return the mode of π(·|s) for observations `[E, I]`, as the environment takes it.

        For a squashed Normal it is the median.
        """
        return self.head.for_environment(self.head.mode(self.outputs(observations)))
