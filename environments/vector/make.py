"""Making the copies of a Gymnasium environment: of which kind, and how many."""

import math

import gymnasium
from gymnasium.vector import AutoresetMode

from environments.faults import EnvironmentFault, close_quietly, raising
from environments.specification import EnvironmentSpecification
from environments.vector.protocol import VectorEnvironments
from environments.vector.serial import SerialEnvironments
from environments.vector.vectorized import VectorizedEnvironments

# Beyond it the call of the policy is no longer what an env step costs.
MAX_SERIAL, MAX_VECTORIZED = 64, 512


def make_environments(
    specification: EnvironmentSpecification, num_episodes: int, max_copies: int | None = None
) -> VectorEnvironments:
    """The parallel copies in which `num_episodes` episodes are sampled.

    The environment's own vector entry point is used where it has one; else its copies are stepped
    one after the other, which was faster than worker processes everywhere tried. Either way an
    observation is a vector, flattened by Gymnasium where it was none.

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
    arguments = {
        **specification.kwargs,
        "max_episode_steps": specification.max_episode_steps,
    }
    if _is_vectorized(specification):
        # gymnasium.make's own keyword, which make_vec would hand to the environment
        others = {name: v for name, v in arguments.items() if name != "disable_env_checker"}
        num_envs = _num_copies(num_episodes, min(MAX_VECTORIZED, max_copies or MAX_VECTORIZED))
        native = gymnasium.make_vec(
            specification.id, num_envs, vectorization_mode="vector_entry_point", **others
        )
        if native.metadata.get("autoreset_mode") == AutoresetMode.NEXT_STEP:
            return VectorizedEnvironments(native)
        close_quietly(native)
    num_envs = _num_copies(num_episodes, min(MAX_SERIAL, max_copies or MAX_SERIAL))
    copies = [gymnasium.make(specification.id, **arguments) for _ in range(num_envs)]
    return SerialEnvironments([specification.with_vectors(copy) for copy in copies])


def _num_copies(num_episodes: int, most: int) -> int:
    num_rounds = math.ceil(num_episodes / most)
    return math.ceil(num_episodes / num_rounds)  # 100 episodes: twice 50, not 64 and 36


def _is_vectorized(specification: EnvironmentSpecification) -> bool:
    return specification.has_vector_entry_point and specification.has_flat_observations
