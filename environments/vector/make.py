"""Creation of environment copies, which step all at once or separately."""

import math
import pkgutil
from typing import Any

import gymnasium

from environments.faults import EnvironmentFault, close_quietly, closing_quietly, raising
from environments.randomness import seed_global_generators
from environments.specification import EnvironmentSpecification
from environments.vector.mujoco_rules import find_rule
from environments.vector.protocol import VectorEnvironments
from environments.vector.serial import SerialEnvironments
from environments.vector.trial import SEED, TOLERANCE, play_trial
from environments.vector.vectorized import VectorizedEnvironments

# With more copies than this, policy calls no longer dominate the cost of an env step.
MAX_SEPARATE, MAX_VECTORIZED = 64, 512
MUJOCO = "environments.vector.mujoco:MujocoEnvironments"  # imports MuJoCo
NUM_TRIAL_STEPS = 1000  # to compare vectorized copies with a single environment

_vector_entry_point_works: dict[str, bool] = {}  # by specification; results of this process


def make_environments(
    specification: EnvironmentSpecification, num_episodes: int, max_copies: int | None = None
) -> VectorEnvironments:
    """Make the environment copies in which `num_episodes` episodes are sampled.

    The environment's vector entry point is used if it makes the same environment: it accepts these
    keyword arguments, has the same spaces, and plays the same episode from the same seed.
    Otherwise, copies are stepped one after the other, which was faster than worker processes in all
    trials; those of most MuJoCo environments without Gymnasium. Either way, observations are
    vectors, flattened by Gymnasium if necessary.

    Args:
        specification: The environment.
        num_episodes: Number of episodes that are sampled at a time.
        max_copies: Maximum number of copies. Defaults to as many as are fast.

    Raises:
        EnvironmentFault: If the copies cannot be made.
    """
    expected = (
        f"expected parallel copies of {specification.id} with keyword arguments "
        f"{dict(specification.kwargs)!r}"
    )
    with raising(lambda e: EnvironmentFault(f"{expected}, received {type(e).__name__}: {e}")):
        environments = _make(specification, num_episodes, max_copies)
    environments.max_episode_steps = specification.max_episode_steps
    return environments


def count_copies(
    specification: EnvironmentSpecification, num_episodes: int, max_copies: int | None = None
) -> int:
    """Return the number of copies that `make_environments` makes."""
    limit = MAX_VECTORIZED if _is_vectorized(specification) else MAX_SEPARATE
    num_rounds = math.ceil(num_episodes / min(limit, max_copies or limit))
    return math.ceil(num_episodes / num_rounds)  # 100 episodes: twice 50, not 64 and 36


def _make(
    specification: EnvironmentSpecification, num_episodes: int, max_copies: int | None
) -> VectorEnvironments:
    make = _make_vectorized if _is_vectorized(specification) else _make_separate
    num_copies = count_copies(specification, num_episodes, max_copies)
    seed_global_generators(SEED)
    return make(specification, num_copies)


def _make_vectorized(
    specification: EnvironmentSpecification, num_copies: int
) -> VectorEnvironments:
    """Make copies by the vector entry point; raise ValueError if its spaces differ."""
    arguments = _arguments(specification)
    arguments.pop("disable_env_checker", None)  # only gymnasium.make has it, not make_vec
    native = gymnasium.make_vec(
        specification.id, num_copies, vectorization_mode="vector_entry_point", **arguments
    )
    received = (native.single_observation_space, native.single_action_space)
    if received != (specification.observation_space, specification.action_space):
        close_quietly(native)
        raise ValueError(f"Expected the spaces of a single environment. Received: {received}")
    return VectorizedEnvironments(native)


def _make_separate(specification: EnvironmentSpecification, num_copies: int) -> VectorEnvironments:
    arguments = _arguments(specification)

    def make_copy() -> gymnasium.Env[Any, Any]:
        return specification.with_vectors(gymnasium.make(specification.id, **arguments))

    first = make_copy()
    if find_rule(first) is not None:
        return pkgutil.resolve_name(MUJOCO)(first, num_copies)
    return SerialEnvironments([first, *(make_copy() for _ in range(num_copies - 1))])


def _arguments(specification: EnvironmentSpecification) -> dict[str, Any]:
    return {**specification.kwargs, "max_episode_steps": specification.max_episode_steps}


def _is_vectorized(specification: EnvironmentSpecification) -> bool:
    if not (specification.has_vector_entry_point and specification.has_flat_observations):
        return False
    key = repr(specification)
    if key not in _vector_entry_point_works:
        _vector_entry_point_works[key] = _plays_same_episode(specification)
    return _vector_entry_point_works[key]


def _plays_same_episode(specification: EnvironmentSpecification) -> bool:
    """Return True if the vector entry point plays the same episode as a single environment."""
    trials = []
    try:
        for make in (_make_separate, _make_vectorized):
            with (
                raising(lambda error: EnvironmentFault(str(error))),
                closing_quietly(make(specification, 1)) as environments,
            ):
                trials.append(play_trial(environments, specification, NUM_TRIAL_STEPS))
    except EnvironmentFault:
        return False
    return trials[0].equals(trials[1], TOLERANCE)
