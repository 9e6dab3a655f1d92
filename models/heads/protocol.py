"""The protocol of an action head."""

from typing import Protocol

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from models.heads.shapes import Shape


class ActionHead(Protocol):
    """From a network's outputs to a distribution over actions, and to actions."""

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of one action."""

    @property
    def action_dtype(self) -> tf.DType:
        """Type of an action, as it is sampled and scored."""

    @property
    def mask_sizes(self) -> tuple[int, ...]:
        """How many entries a mask has for each component of an action; () if there is no mask."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """A name for each of the distribution's parameters, in the order of `parameters`."""

    def outputs(
        self, features: keras.KerasTensor, kernel_initializer: keras.Initializer
    ) -> keras.KerasTensor:
        """Adds the network's last layer: features `[…, F]` → outputs `[…, P]`."""

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        """Outputs `[…, P]` → a distribution over actions, batch shape `[…]`."""

    def noise(self, shape: Shape, seed: tf.Tensor, algorithm: str = "auto_select") -> tf.Tensor:
        """The chance in actions of shape `[*shape, *action_shape]`.

        Args:
            shape: What there is to be an action for.
            seed: `[2]` int32, for TensorFlow's stateless random functions.
            algorithm: Their `alg`. Defaults to TensorFlow's choice.

        Returns:
            `[*shape, …]` float32, of a distribution that does not depend on any outputs.
        """

    def sample(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Outputs `[…, P]`, `noise` of shape `[…]` → sampled actions `[…, *action_shape]`."""

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """Log-probability (density) `[…]` of actions as they were sampled."""

    def entropy(self, outputs: tf.Tensor) -> tf.Tensor:
        """Entropy `[…]` of the distribution, in nats."""

    def mode(self, outputs: tf.Tensor) -> tf.Tensor:
        """Most probable actions `[…, *action_shape]`, of the kind that `sample` returns."""

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        """The distribution's parameters `[…, N]`, one column for each of `parameter_names`."""

    def for_environment(self, actions: tf.Tensor) -> tf.Tensor:
        """Actions as the environment takes them: elements of its space, in the space's type."""
