"""The Keras networks: policy and value."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from models.heads import ActionHead
from models.normalization import RunningNormalization

OUTPUT_SCALE = 0.01  # of the last layer's initial weights: policies start almost indifferent


def make_policy_network(
    observation_size: int,
    hidden_sizes: Sequence[int],
    activation: str,
    head: ActionHead,
    seed: np.random.SeedSequence,
    normalizer: RunningNormalization | None = None,
) -> keras.Model:
    """Create a policy network with orthogonal initial weights and zero biases.

    The last layer's weights are scaled by 0.01, so that the initial policy has almost no preference
    among actions.

    Args:
        observation_size: O, the number of components of an observation.
        hidden_sizes: Units of each hidden layer; may be empty.
        activation: Keras name of the hidden layers' activation.
        head: Adds the last layer.
        seed: Determines the initial weights.
        normalizer: The first layer. Defaults to None: observations are not normalized.

    Returns:
        A Keras model, observations `[N, O]` → outputs `[N, P]`.

    Source: Saxe et al. (2014) for orthogonal weights; Andrychowicz et al. (2021), "What matters in
    on-policy reinforcement learning?", for the scale of the last layer.
    """
    observations = keras.Input((observation_size,), name="observation")
    seeds = _seeds(seed, hidden_sizes)
    features = _hidden(observations, hidden_sizes, activation, seeds, normalizer)
    last = keras.initializers.Orthogonal(OUTPUT_SCALE, seed=next(seeds))
    return keras.Model(observations, head.outputs(features, last), name="policy")


def make_value_network(
    observation_size: int,
    hidden_sizes: Sequence[int],
    activation: str,
    seed: np.random.SeedSequence,
    normalizer: RunningNormalization | None = None,
) -> keras.Model:
    """Create a network that predicts returns, initialized like a policy network.

    Args:
        observation_size: O, the number of components of an observation.
        hidden_sizes: Units of each hidden layer; may be empty.
        activation: Keras name of the hidden layers' activation.
        seed: Determines the initial weights.
        normalizer: The first layer, shared with the policy network. Defaults to None: observations
            are not normalized.

    Returns:
        A Keras model, observations `[N, O]` → values `[N, 1]`.
    """
    observations = keras.Input((observation_size,), name="observation")
    seeds = _seeds(seed, hidden_sizes)
    features = _hidden(observations, hidden_sizes, activation, seeds, normalizer)
    last = keras.initializers.Orthogonal(OUTPUT_SCALE, seed=next(seeds))
    values = keras.layers.Dense(1, kernel_initializer=last, name="value")(features)
    return keras.Model(observations, values, name="value")


def _seeds(seed: np.random.SeedSequence, hidden_sizes: Sequence[int]) -> Iterator[int]:
    """Return one seed for each layer, hidden layers first."""
    return iter(seed.generate_state(len(hidden_sizes) + 1).tolist())


def _hidden(
    observations: keras.KerasTensor,
    hidden_sizes: Sequence[int],
    activation: str,
    seeds: Iterator[int],
    normalizer: RunningNormalization | None,
) -> keras.KerasTensor:
    """Apply the normalizer and the hidden layers: observations `[N, O]` → features `[N, F]`."""
    features = observations if normalizer is None else normalizer(observations)
    for layer, size in enumerate(hidden_sizes):
        features = keras.layers.Dense(
            size,
            activation=activation,
            kernel_initializer=keras.initializers.Orthogonal(np.sqrt(2), seed=next(seeds)),
            name=f"hidden_{layer}",
        )(features)
    return features
