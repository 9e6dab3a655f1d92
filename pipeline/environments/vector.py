"""Parallel copies of a Gymnasium environment."""

import math

import gymnasium
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import FlattenObservation

from pipeline.environments.specification import EnvironmentSpecification

MAX_PARALLEL = 64  # beyond it the call of the policy is no longer what an env step costs


def make_environments(specification: EnvironmentSpecification, num_episodes: int) -> VectorEnv:
    """The parallel copies in which `num_episodes` episodes are sampled, 64 at the most.

    The environment's own vector entry point is used where it has one; else its copies are stepped
    one after the other, which was faster than worker processes everywhere tried. Either way an
    observation is a vector, flattened by Gymnasium where it was none, and an episode's end is
    followed by one dead step (next-step autoreset).

    Args:
        specification: The environment.
        num_episodes: How many episodes are to be sampled at a time.
    """
    num_rounds = math.ceil(num_episodes / MAX_PARALLEL)
    num_envs = math.ceil(num_episodes / num_rounds)  # 100 episodes: twice 50, not 64 and 36
    arguments = {
        **specification.kwargs,
        "max_episode_steps": specification.max_episode_steps,
    }
    flat = specification.has_flat_observations
    if specification.has_vector_entry_point and flat:
        native = gymnasium.make_vec(
            specification.id, num_envs, vectorization_mode="vector_entry_point", **arguments
        )
        if native.metadata.get("autoreset_mode") == AutoresetMode.NEXT_STEP:
            return native
        native.close()
    wrappers = () if flat else (FlattenObservation,)
    return gymnasium.make_vec(
        specification.id, num_envs, vectorization_mode="sync", wrappers=wrappers, **arguments
    )
