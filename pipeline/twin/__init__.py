"""A compiled environment held against its twin, the Gymnasium environment that it stands for."""

from collections.abc import Callable
from typing import Any

import gymnasium

from pipeline.environments.compiled.contract import CompiledEnvironment, State
from pipeline.twin.initial_states import hold_initial_states
from pipeline.twin.keeping import hold_to_contract
from pipeline.twin.nests import ReadState
from pipeline.twin.steps import hold_steps
from pipeline.twin.transitions import collect

__all__ = ["collect", "hold_against_twin", "hold_initial_states", "hold_steps", "hold_to_contract"]


def hold_against_twin(
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
    `hold_steps` with env steps of your own.

    Args:
        compiled: The environment under test.
        make_gymnasium: Makes its twin.
        read_state: Takes the twin, of which `env.unwrapped` is your class, and returns its state as
            the compiled environment holds it: the same nest, of one copy. Of a random environment
            that includes what the next step will draw, as from a copy of `env.np_random`.
        compared: What of a state is compared with the twin's, initially and after a step. Defaults
            to all of it; random numbers for later steps must be left out.
        num_steps: Env steps under random actions.
        num_resets: Initial states of each.
        seed: Of everything.
        tolerance: Absolute and relative, see `hold_steps`.

    Raises:
        AssertionError: If it is another environment. The message says where they part.
        ValueError: If `read_state` gives another structure than the compiled state's.
    """
    env = make_gymnasium()
    hold_to_contract(compiled, num_steps, seed)
    hold_initial_states(compiled, env, read_state, num_resets, seed, compared)
    transitions = collect(env, read_state, num_steps, compiled.max_episode_steps, seed)
    hold_steps(compiled, transitions, tolerance, compared)
    env.close()
