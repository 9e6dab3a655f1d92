"""A check that a compiled environment and Gymnasium's have the same initial states."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf
from scipy import stats

from environments.checker.nests import (
    ReadState,
    cast_like,
    copy_arrays,
    named_leaves,
    stack_arrays,
)
from environments.checker.transitions import random_action
from environments.protocol import CompiledEnvironment, State

# The probability of a false alarm, over all tests together. Seeds are fixed, so the result changes
# only if the environment or the random numbers of TensorFlow or NumPy change.
P_VALUE = 1e-4
NUM_PROJECTIONS = 8


def check_initial_states(
    compiled: CompiledEnvironment,
    env: gymnasium.Env[Any, Any],
    read_state: ReadState,
    num_resets: int,
    seed: int,
    compared: Callable[[State], Any] = lambda state: state,
) -> None:
    """Compare the distributions of initial states.

    Each component is compared by the two-sample Kolmogorov-Smirnov test. Components may depend on
    each other, so a few random projections of all components are compared, too. A component that is
    constant in Gymnasium must have the same value.

    Args:
        compiled: The environment under test.
        env: The Gymnasium environment.
        read_state: Reads its state in the structure of one compiled copy.
        num_resets: Number of initial states of each environment, N.
        seed: Seed for both.
        compared: Selects the part of a state to compare. Defaults to the whole state.

    Raises:
        AssertionError: If the distributions differ. The message names the component.
    """
    env.action_space.seed(seed)
    env.reset(seed=seed)
    rows = []
    for _ in range(num_resets):
        env.step(random_action(env))  # consumes random numbers, as an episode does
        env.reset()
        rows.append(copy_arrays(read_state(env)))
    # Compiled, because XLA draws other numbers from the same seed than eager execution.
    reset = tf.function(
        lambda seed: compiled.reset(num_resets, seed), jit_compile=True, autograph=False
    )
    states = reset(tf.constant([seed, 0]))
    expected = compared(cast_like(stack_arrays(rows), states))
    varying = []
    for name, actual, reference in _components(compared(states), expected):
        if np.ptp(reference) > 0:
            varying.append((name, actual, reference))
        elif not np.allclose(actual, reference[0], rtol=1e-6, atol=1e-6):
            raise AssertionError(
                f"Initial {name}: expected the constant {reference[0]}, received values with "
                f"minimum, quartiles and maximum {_quartiles(actual)}"
            )
    if len(varying) > 1:
        varying = [*varying, *_projections(varying, seed)]
    for name, actual, reference in varying:
        p_value = stats.ks_2samp(actual, reference, method="asymp").pvalue
        if p_value < P_VALUE / len(varying):
            raise AssertionError(
                f"Initial {name}: expected a distribution with minimum, quartiles and maximum "
                f"{_quartiles(reference)}, received {_quartiles(actual)} (Kolmogorov-Smirnov test, "
                f"p = {p_value:.0e})"
            )


Component = tuple[str, np.ndarray, np.ndarray]  # name, compiled [N], Gymnasium's [N]


def _components(received: Any, expected: Any) -> Iterator[Component]:
    leaves = zip(named_leaves(expected, "state"), tf.nest.flatten(received), strict=True)
    for (name, reference), actual in leaves:
        actual = np.asarray(actual, np.float64)
        for index in np.ndindex(reference.shape[1:]):
            where = f"{name}{list(index)}" if index else name
            yield where, actual[:, *index], reference[:, *index].astype(np.float64)


def _projections(components: list[Component], seed: int) -> Iterator[Component]:
    """Yield random projections of all components.

    Two distributions are the same if and only if all their projections are (Cramér & Wold 1936).
    """
    generator = np.random.default_rng(seed)
    means = [reference.mean() for _, _, reference in components]
    deviations = [reference.std() for _, _, reference in components]
    actual = (
        np.stack([actual for _, actual, _ in components], axis=1) - means
    ) / deviations  # [N, K]
    reference = (
        np.stack([reference for _, _, reference in components], axis=1) - means
    ) / deviations
    for _ in range(NUM_PROJECTIONS):
        direction = generator.normal(size=len(components))
        yield "projection of all components", actual @ direction, reference @ direction


def _quartiles(values: np.ndarray) -> list[float]:
    return np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).round(4).tolist()
