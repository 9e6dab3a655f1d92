"""The protocol of an action head."""

from typing import Protocol

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from models.heads.shapes import Shape


class ActionHead(Protocol):
    """The distribution over actions that a network's outputs parametrize.

    Actions are sampled and scored in one form (`raw_action`), and converted to the form that the
    environment takes by `for_environment`. P is the number of outputs, N that of the distribution's
    parameters.
    """

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of one action."""

    @property
    def action_dtype(self) -> tf.DType:
        """Dtype of an action as it is sampled and scored."""

    @property
    def mask_sizes(self) -> tuple[int, ...]:
        """Number of mask entries for each component of an action; () if there is no mask."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the distribution's N parameters, in the order of `parameters`."""

    def outputs(
        self, features: keras.KerasTensor, kernel_initializer: keras.Initializer
    ) -> keras.KerasTensor:
        """Add the network's last layer: features `[…, F]` → outputs `[…, P]`."""

    def distribution(self, outputs: tf.Tensor) -> tfd.Distribution:
        """Return the distribution over actions for outputs `[…, P]`, with batch shape `[…]`."""

    def noise(self, shape: Shape, seed: tf.Tensor, algorithm: str = "auto_select") -> tf.Tensor:
        """Draw the random numbers from which `sample` computes actions.

        Their distribution does not depend on the outputs, so they can be drawn ahead of time.

        Args:
            shape: Leading dimensions of the actions to be sampled.
            seed: `[2]` int32, for TensorFlow's stateless random functions.
            algorithm: Their argument `alg`. Defaults to TensorFlow's choice.

        Returns:
            `[*shape, …]` float32.
        """

    def sample(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Sample actions `[…, *action_shape]`, given outputs `[…, P]` and the noise for `[…]`."""

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """Return log π(a|s) `[…]` of sampled actions: a log-probability or a log-density."""

    def entropy(self, outputs: tf.Tensor) -> tf.Tensor:
        """Return the distribution's entropy `[…]`, in nats."""

    def mode(self, outputs: tf.Tensor) -> tf.Tensor:
        """Return the most probable actions `[…, *action_shape]`, in the form `sample` returns."""

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        """Return the distribution's parameters `[…, N]`, one column per name."""

    def for_environment(self, actions: tf.Tensor) -> tf.Tensor:
        """Convert sampled actions to elements of the environment's space, in the space's dtype."""
