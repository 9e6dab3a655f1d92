"""Checks of a compiled environment against the Gymnasium environment that it replaces."""

from collections.abc import Callable
from typing import Any

import gymnasium

from environments.checker.initial_states import check_initial_states
from environments.checker.nests import ReadState
from environments.checker.protocol import check_protocol
from environments.checker.steps import check_steps
from environments.checker.transitions import collect
from environments.protocol import CompiledEnvironment, State

__all__ = [
    "check_against_gymnasium",
    "check_initial_states",
    "check_protocol",
    "check_steps",
    "collect",
]


def check_against_gymnasium(
    compiled: CompiledEnvironment,
    make_gymnasium: Callable[[], gymnasium.Env[Any, Any]],
    read_state: ReadState,
    *,
    compared: Callable[[State], Any] = lambda state: state,
    num_steps: int = 2_000,
    num_resets: int = 5_000,
    seed: int = 0,
    tolerance: float = 1e-5,
) -> None:
    """Check that a compiled environment behaves like its Gymnasium environment.

    There are three checks. The compiled environment follows `CompiledEnvironment`: shapes, dtypes,
    seeds, finite numbers. Its initial states have the same distribution as Gymnasium's. And from
    the states that the Gymnasium environment visits under random actions, both return the same
    observation, reward, termination and next state.

    Random actions do not visit every state. To test thresholds, bounds or goals that they do not
    reach, call `check_steps` with your own env steps.

    Args:
        compiled: The environment under test.
        make_gymnasium: Makes the Gymnasium environment. To compare masks of legal actions, too,
            wrap it by `EnvironmentSpecification.with_vectors`.
        read_state: Takes the Gymnasium environment, whose `env.unwrapped` is your class, and
            returns its state in the structure of one compiled copy. If steps are random, the state
            includes what the next step will draw, for instance from a copy of `env.np_random`.
        compared: Selects the part of a state to compare, after a reset and after a step. Defaults
            to the whole state; random numbers for later steps must be left out.
        num_steps: Env steps under random actions.
        num_resets: Initial states of each environment.
        seed: Seed for all random draws.
        tolerance: Absolute and relative tolerance, see `check_steps`.

    Raises:
        AssertionError: If the environments differ. The message names the difference.
        ValueError: If `read_state` returns another structure than that of the compiled state.
    """
    env = make_gymnasium()
    check_protocol(compiled, num_steps, seed)
    check_initial_states(compiled, env, read_state, num_resets, seed, compared)
    transitions = collect(env, read_state, num_steps, compiled.max_episode_steps, seed)
    check_steps(compiled, transitions, tolerance, compared)
    env.close()
