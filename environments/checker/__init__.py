"""Checks of a compiled environment against the Gymnasium environment that it stands for."""

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
    """Checks that a compiled environment is the Gymnasium environment that it stands for.

    Three checks. It keeps to `CompiledEnvironment`: shapes, dtypes, seeds, finite numbers. Its
    initial states have the distribution of Gymnasium's. And from the states that Gymnasium's
    environment goes through under random actions, both give the same observation, reward, end and
    next state.

    Random actions do not go everywhere: where a threshold, a bound or a goal lies beyond them, call
    `check_steps` with env steps of your own.

    Args:
        compiled: The environment under test.
        make_gymnasium: Makes the Gymnasium environment. Where a mask of legal actions is compared,
            too: in `EnvironmentSpecification.with_vectors`.
        read_state: Takes that environment, of which `env.unwrapped` is your class, and returns its
            state as the compiled environment holds it: the same nest, of one copy. Of a random
            environment that includes what the next step will draw, as from a copy of
            `env.np_random`.
        compared: The part of a state that is compared, initially and after a step. Defaults
            to all of it; random numbers for later steps must be left out.
        num_steps: Env steps under random actions.
        num_resets: Initial states of each.
        seed: Of everything.
        tolerance: Absolute and relative, see `check_steps`.

    Raises:
        AssertionError: If it is another environment. The message says where they part.
        ValueError: If `read_state` gives another structure than the compiled state's.
    """
    env = make_gymnasium()
    check_protocol(compiled, num_steps, seed)
    check_initial_states(compiled, env, read_state, num_resets, seed, compared)
    transitions = collect(env, read_state, num_steps, compiled.max_episode_steps, seed)
    check_steps(compiled, transitions, tolerance, compared)
    env.close()
