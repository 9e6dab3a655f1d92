"""Making the copies of a Gymnasium environment: of which kind, and how many."""

import math
from typing import Any

import gymnasium

from environments.faults import EnvironmentFault, close_quietly, closing_quietly, raising
from environments.randomness import seed_global_generators
from environments.specification import EnvironmentSpecification
from environments.vector.protocol import VectorEnvironments
from environments.vector.serial import SerialEnvironments
from environments.vector.trial import SEED, TOLERANCE, play_trial
from environments.vector.vectorized import VectorizedEnvironments

# Beyond it the call of the policy is no longer what an env step costs.
MAX_SERIAL, MAX_VECTORIZED = 64, 512
NUM_TRIAL_STEPS = 1000  # in which copies that step together must be like a single environment

_steps_together: dict[str, bool] = {}  # by specification, what this process has tried


def make_environments(
    specification: EnvironmentSpecification, num_episodes: int, max_copies: int | None = None
) -> VectorEnvironments:
    """The parallel copies in which `num_episodes` episodes are sampled.

    The environment's own vector entry point is used where it has one that makes the same
    environment: with these keyword arguments, the same spaces, and the same episode from the same
    seed. Else its copies are stepped one after the other, which was faster than worker processes
    everywhere tried. Either way an observation is a vector, flattened by Gymnasium where it was
    none.

    Args:
        specification: The environment.
        num_episodes: How many episodes are to be sampled at a time.
        max_copies: How many copies there may be at most. Defaults to as many as are fast.

    Raises:
        EnvironmentFault: If they cannot be made.
    """
    expected = (
        f"expected parallel copies of {specification.id} that can be made with "
        f"{dict(specification.kwargs)!r}"
    )
    with raising(lambda e: EnvironmentFault(f"{expected}, received {type(e).__name__}: {e}")):
        environments = _make(specification, num_episodes, max_copies)
    environments.max_episode_steps = specification.max_episode_steps
    return environments


def _make(
    specification: EnvironmentSpecification, num_episodes: int, max_copies: int | None
) -> VectorEnvironments:
    is_vectorized = _is_vectorized(specification)
    make, most = (_together, MAX_VECTORIZED) if is_vectorized else (_one_by_one, MAX_SERIAL)
    seed_global_generators(SEED)
    return make(specification, _num_copies(num_episodes, min(most, max_copies or most)))


def _together(specification: EnvironmentSpecification, num_copies: int) -> VectorEnvironments:
    """Make copies by the vector entry point; raise ValueError if it has other spaces."""
    arguments = _arguments(specification)
    arguments.pop("disable_env_checker", None)  # gymnasium.make's own, which make_vec does not know
    native = gymnasium.make_vec(
        specification.id, num_copies, vectorization_mode="vector_entry_point", **arguments
    )
    received = (native.single_observation_space, native.single_action_space)
    if received != (specification.observation_space, specification.action_space):
        close_quietly(native)
        raise ValueError(f"Expected the spaces of a single copy. Received: {received}")
    return VectorizedEnvironments(native)


def _one_by_one(specification: EnvironmentSpecification, num_copies: int) -> VectorEnvironments:
    arguments = _arguments(specification)
    copies = [gymnasium.make(specification.id, **arguments) for _ in range(num_copies)]
    return SerialEnvironments([specification.with_vectors(copy) for copy in copies])


def _arguments(specification: EnvironmentSpecification) -> dict[str, Any]:
    return {**specification.kwargs, "max_episode_steps": specification.max_episode_steps}


def _num_copies(num_episodes: int, most: int) -> int:
    num_rounds = math.ceil(num_episodes / most)
    return math.ceil(num_episodes / num_rounds)  # 100 episodes: twice 50, not 64 and 36


def _is_vectorized(specification: EnvironmentSpecification) -> bool:
    if not (specification.has_vector_entry_point and specification.has_flat_observations):
        return False
    key = repr(specification)
    if key not in _steps_together:
        _steps_together[key] = _is_alike(specification)
    return _steps_together[key]


def _is_alike(specification: EnvironmentSpecification) -> bool:
    """Tell whether the vector entry point plays the episode that a single environment plays."""
    trials = []
    try:
        for make in (_one_by_one, _together):
            with (
                raising(lambda error: EnvironmentFault(str(error))),
                closing_quietly(make(specification, 1)) as environments,
            ):
                trials.append(play_trial(environments, specification, NUM_TRIAL_STEPS))
    except EnvironmentFault:
        return False
    return trials[0].equals(trials[1], TOLERANCE)
