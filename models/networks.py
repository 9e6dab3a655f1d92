"""The Keras networks of policies and of values."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from models.heads import ActionHead
from models.normalization import RunningNormalization

OUTPUT_SCALE = 0.01  # of the last layer's initial weights: every policy begins close to indifferent


def make_policy_network(
    observation_size: int,
    hidden_sizes: Sequence[int],
    activation: str,
    head: ActionHead,
    seed: np.random.SeedSequence,
    normalizer: RunningNormalization | None = None,
) -> keras.Model:
    """A policy network with fresh weights: orthogonal, zero biases (Saxe et al. 2014).

    The last layer's weights are scaled by 0.01, so that the initial policy hardly prefers any
    action (Andrychowicz et al. 2021, "What matters in on-policy reinforcement learning?").

    Args:
        observation_size: O, the number of components of an observation.
        hidden_sizes: Units of each hidden layer; may be empty.
        activation: Keras's name of the hidden layers' activation.
        head: Adds the last layer.
        seed: Determines the initial weights.
        normalizer: The first layer; None for observations as they are.

    Returns:
        A Keras model, observations `[N, O]` → outputs `[N, P]`.
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
    """A network that predicts returns, with fresh weights as those of a policy network.

    Args:
        observation_size: O, the number of components of an observation.
        hidden_sizes: Units of each hidden layer; may be empty.
        activation: Keras's name of the hidden layers' activation.
        seed: Determines the initial weights.
        normalizer: The first layer, shared with the policy's network; None for observations as they
            are.

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
    """One seed for each layer, hidden ones first."""
    return iter(seed.generate_state(len(hidden_sizes) + 1).tolist())


def _hidden(
    observations: keras.KerasTensor,
    hidden_sizes: Sequence[int],
    activation: str,
    seeds: Iterator[int],
    normalizer: RunningNormalization | None,
) -> keras.KerasTensor:
    """Observations `[N, O]` → features `[N, F]`."""
    features = observations if normalizer is None else normalizer(observations)
    for layer, size in enumerate(hidden_sizes):
        features = keras.layers.Dense(
            size,
            activation=activation,
            kernel_initializer=keras.initializers.Orthogonal(np.sqrt(2), seed=next(seeds)),
            name=f"hidden_{layer}",
        )(features)
    return features
