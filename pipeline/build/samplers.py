"""Building the sampler of a task, with a compiled or the Gymnasium environment."""

import os

from environments.make import make_compiled
from environments.protocol import CompiledEnvironment
from environments.vector.make import count_copies, make_environments
from models.policy import Policy
from pipeline.task.errors import UserError
from pipeline.task.task import Task
from reinforce.sampling.actor import make_actor
from reinforce.sampling.compiled import MAX_ROWS, CompiledSampler, step_bytes
from reinforce.sampling.gymnasium import GymnasiumSampler
from reinforce.sampling.protocol import Sampler

# Copies of the episodes in memory at a time during training: those of the last update, on entry to
# and on exit from a call, and the values derived from them. With long time limits, peak memory was
# 2.4 times the size of the episodes in `rollout` and 3.8 times in `train`.
COPIES_OF_EPISODES = 4


def make_sampler(task: Task, policy: Policy, num_episodes: int) -> Sampler:
    """Make the sampler of `num_episodes` episodes; it uses the weights `policy` has when called.

    Raises:
        UserError: See `make_compiled_environment`.
    """
    if task.is_compiled:
        environment = make_compiled_environment(task, policy, num_episodes)
        return CompiledSampler(environment, policy, num_episodes)
    copies = task.specification, num_episodes, task.params.env.num_copies
    actor = make_actor(policy, count_copies(*copies))
    return GymnasiumSampler(lambda: make_environments(*copies), actor, num_episodes)


def make_compiled_environment(task: Task, policy: Policy, num_episodes: int) -> CompiledEnvironment:
    """Make the task's compiled environment.

    Raises:
        UserError: If it cannot be made, or if `num_episodes` episodes have too many steps up to the
            time limit: for memory, which is allocated for all of them, or for `MAX_ROWS`.
    """
    limit = task.specification.max_episode_steps
    num_bytes = COPIES_OF_EPISODES * step_bytes(policy)
    rows_in_memory = _physical_memory() // num_bytes
    max_limit = min(MAX_ROWS, rows_in_memory) // num_episodes
    if limit > max_limit:
        reason = f"allocates memory for every step of {num_episodes:,} episodes, about {num_bytes} "
        reason += "bytes a step"
        if rows_in_memory > MAX_ROWS:
            reason = f"numbers the steps of {num_episodes:,} episodes with 32-bit integers"
        raise UserError(
            f"{task.name}: expected env.max_episode_steps of at most {max_limit:,}, since a "
            f"compiled environment {reason}, received {limit:,}; env.backend: gymnasium stores "
            "only the steps taken"
        )
    try:
        return make_compiled(task.specification)
    except (ValueError, TypeError, ImportError, AttributeError) as error:
        raise UserError(
            f"{task.name}: expected a compiled environment that can replace "
            f"{task.specification.id}, received {type(error).__name__}: {error}; "
            "env.backend: gymnasium does not need one"
        ) from error


def _physical_memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
