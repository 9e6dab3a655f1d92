"""A check that a compiled environment steps as Gymnasium's does."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from environments.checker.nests import cast_as, named_leaves
from environments.checker.transitions import Outcome, Transitions
from environments.protocol import CompiledEnvironment, State

Compared = Callable[[State], Any]  # the part of a state that is compared


class _Comparison(NamedTuple):
    """One leaf of the outcomes of N env steps."""

    name: str
    expected: np.ndarray  # [N, …]
    received: np.ndarray  # [N, …]
    agrees: np.ndarray  # [N]


def check_steps(
    compiled: CompiledEnvironment,
    transitions: Transitions,
    tolerance: float = 1e-5,
    compared: Compared = lambda state: state,
) -> None:
    """Takes the same env steps from the same states, in one compiled call, and compares.

    Gymnasium's environments compute in float64, compiled ones in float32. Numbers agree within
    `tolerance` · (1 + |expected|). Rounding may also carry a state over a threshold, behind which
    everything is different. A step that disagrees is therefore excused if it agrees when it begins
    with one component of the state moved by a tenth of that.

    Args:
        compiled: The environment under test.
        transitions: Env steps of the Gymnasium environment.
        tolerance: Absolute and relative.
        compared: What of the next state is compared. Defaults to all of it.

    Raises:
        AssertionError: At the first step that disagrees. The message names the component.
    """
    states = cast_as(transitions.states, compiled.reset(1, tf.constant([0, 0])))
    actions = transitions.actions
    outcome = tf.function(
        lambda *arguments: _outcome(compiled, *arguments), jit_compile=True, autograph=False
    )
    expected = _as_floats(transitions.outcome, compared)
    received = _as_floats(outcome(states, actions), compared)
    comparisons = list(_compare(expected, received, tolerance))
    agrees = np.logical_and.reduce([comparison.agrees for comparison in comparisons])  # [N]
    for n in np.flatnonzero(~agrees).tolist():
        state, action, wanted = _row((states, actions, expected), n)
        excused = any(
            all(c.agrees for c in _compare(wanted, _as_floats(nearby, compared), tolerance))
            for nearby in _outcomes_nearby(compiled, state, action, tolerance / 10)
        )
        if not excused:
            wrong = next(c for c in comparisons if not c.agrees[n])
            raise AssertionError(
                f"Step {n}, {wrong.name}: expected {wrong.expected[n].tolist()}, received "
                f"{wrong.received[n].tolist()}. It began in "
                + ", ".join(f"{name} = {leaf[0]}" for name, leaf in named_leaves(state, "state"))
                + f" with the action {action[0]}."
            )


def _outcome(compiled: CompiledEnvironment, states: State, actions: tf.Tensor) -> Outcome:
    next_states, rewards, terminated = compiled.step(states, actions)
    return Outcome(
        observation=compiled.observe(states),
        reward=rewards,
        terminated=terminated,
        next_observation=compiled.observe(next_states),
        next_state=next_states,
    )


def _outcomes_nearby(
    compiled: CompiledEnvironment, state: State, action: np.ndarray, distance: float
) -> Iterator[Outcome]:
    """Yields outcomes of the step with one component of its state moved, each up and down.

    Args:
        compiled: The environment under test.
        state: Arrays [1, …], of which those of floats are moved.
        action: [1, *action_shape].
        distance: Absolute and relative.
    """
    leaves = tf.nest.flatten(state)
    for i, leaf in enumerate(leaves):
        if np.issubdtype(leaf.dtype, np.floating):
            for index in np.ndindex(leaf.shape):
                for sign in (-1, 1):
                    moved = leaf.copy()
                    moved[index] += sign * distance * (1 + abs(leaf[index]))
                    nearby = [*leaves[:i], moved, *leaves[i + 1 :]]
                    tensors = [tf.constant(array) for array in nearby]
                    yield _outcome(
                        compiled, tf.nest.pack_sequence_as(state, tensors), tf.constant(action)
                    )


def _as_floats(outcome: Outcome, compared: Compared) -> Outcome:
    """As arrays of float64, with no more of the next state than is compared."""
    outcome = outcome._replace(next_state=compared(outcome.next_state))
    return tf.nest.map_structure(lambda leaf: np.asarray(leaf, np.float64), outcome)


def _compare(expected: Outcome, received: Outcome, tolerance: float) -> Iterator[_Comparison]:
    """Yields a comparison of each leaf."""
    ended = expected.terminated != 0  # [N]
    for field, wanted, given in zip(Outcome._fields, expected, received, strict=True):
        leaves = zip(named_leaves(wanted, field), tf.nest.flatten(given), strict=True)
        for (name, one), other in leaves:
            close = np.isclose(other, one, rtol=tolerance, atol=tolerance)  # [N, …]
            agrees = close.reshape(len(close), -1).all(axis=1)  # [N]
            if field == "next_state":
                agrees |= ended  # nobody looks at a state behind the end
            yield _Comparison(name, one, other, agrees)


def _row(nest: Any, n: int) -> Any:
    """Row n of arrays [N, …], as arrays [1, …]."""
    return tf.nest.map_structure(lambda leaf: leaf[n : n + 1], nest)
