"""A check that a compiled environment takes the same steps as Gymnasium's."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from environments.checker.nests import cast_like, named_leaves
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
    """Take the same env steps from the same states, in one compiled call, and compare the outcomes.

    Gymnasium's environments compute in float64, compiled ones in float32. Numbers must agree within
    `tolerance` · (1 + |expected|). Rounding may also push a state across a threshold, which changes
    the outcome completely. So a mismatch is excused if the step agrees after one component of its
    state is moved by a tenth of that tolerance.

    Args:
        compiled: The environment under test.
        transitions: Env steps of the Gymnasium environment.
        tolerance: Absolute and relative tolerance.
        compared: Selects the part of the next state to compare. Defaults to the whole state.

    Raises:
        AssertionError: At the first step that disagrees. The message names the component.
    """
    states = cast_like(transitions.states, compiled.reset(1, tf.constant([0, 0])))
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
                f"{wrong.received[n].tolist()}. The step was taken from "
                + ", ".join(f"{name} = {leaf[0]}" for name, leaf in named_leaves(state, "state"))
                + f" with action {action[0]}."
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
    """Yield the outcomes of a step from states with one component moved up or down.

    Args:
        compiled: The environment under test.
        state: Arrays [1, …]; only floating-point components are moved.
        action: [1, *action_shape].
        distance: Absolute and relative distance.
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
    """Convert an outcome to float64, and reduce its next state to the compared part."""
    outcome = outcome._replace(next_state=compared(outcome.next_state))
    return tf.nest.map_structure(lambda leaf: np.asarray(leaf, np.float64), outcome)


def _compare(expected: Outcome, received: Outcome, tolerance: float) -> Iterator[_Comparison]:
    """Yield a comparison of each leaf."""
    ended = expected.terminated != 0  # [N]
    for field, wanted, given in zip(Outcome._fields, expected, received, strict=True):
        leaves = zip(named_leaves(wanted, field), tf.nest.flatten(given), strict=True)
        for (name, one), other in leaves:
            close = np.isclose(other, one, rtol=tolerance, atol=tolerance)  # [N, …]
            agrees = close.reshape(len(close), -1).all(axis=1)  # [N]
            if field == "next_state":
                agrees |= ended  # states after the end do not matter
            yield _Comparison(name, one, other, agrees)


def _row(nest: Any, n: int) -> Any:
    """Return row n of arrays [N, …], as arrays [1, …]."""
    return tf.nest.map_structure(lambda leaf: leaf[n : n + 1], nest)
