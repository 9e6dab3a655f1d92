"""Parallel copies of a Gymnasium environment."""

import math

import gymnasium
from gymnasium.vector import AutoresetMode, VectorEnv

from pipeline.environments.specification import EnvironmentSpecification

MAX_PARALLEL = 64  # beyond it the call of the policy is no longer what an env step costs


def make_environments(specification: EnvironmentSpecification, num_episodes: int) -> VectorEnv:
    """The parallel copies in which `num_episodes` episodes are sampled, 64 at the most.

    The environment's own vector entry point is used where it has one; else its copies are stepped
    one after the other, which was faster than worker processes everywhere tried. Either way an
    episode's end is followed by one dead step (next-step autoreset).

    Args:
        specification: The environment.
        num_episodes: How many episodes are to be sampled at a time.
    """
    num_rounds = math.ceil(num_episodes / MAX_PARALLEL)
    num_envs = math.ceil(num_episodes / num_rounds)  # 100 episodes: twice 50, not 64 and 36
    if specification.has_vector_entry_point:
        native = gymnasium.make_vec(
            specification.id,
            num_envs,
            vectorization_mode="vector_entry_point",
            **specification.kwargs,
        )
        if native.metadata.get("autoreset_mode") == AutoresetMode.NEXT_STEP:
            return native
        native.close()
    return gymnasium.make_vec(
        specification.id, num_envs, vectorization_mode="sync", **specification.kwargs
    )
