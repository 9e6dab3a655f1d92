"""From a task: what samples its episodes, a compiled environment or Gymnasium's."""

import os

from environments.make import make_compiled
from environments.protocol import CompiledEnvironment
from environments.vector.make import make_environments
from models.policy import Policy
from pipeline.task.errors import UserError
from pipeline.task.task import Task
from reinforce.sampling.actor import CompiledActor
from reinforce.sampling.compiled import MAX_ROWS, CompiledSampler, step_bytes
from reinforce.sampling.gymnasium import GymnasiumSampler
from reinforce.sampling.protocol import Sampler

# In memory at a time when a run trains: those of the last update, as they come and as they go, and
# what is made of them. Peaks of processes with long time limits were 2.4 times the episodes in
# `rollout` and 3.8 times in `train`.
COPIES_OF_EPISODES = 4


def make_sampler(task: Task, policy: Policy, num_episodes: int) -> Sampler:
    """Make what samples `num_episodes` episodes of a task with `policy` as it is when called.

    Raises:
        UserError: See `make_compiled_environment`.
    """
    if task.is_compiled:
        environment = make_compiled_environment(task, policy, num_episodes)
        return CompiledSampler(environment, policy, num_episodes)
    return GymnasiumSampler(
        lambda: make_environments(task.specification, num_episodes, task.params.env.num_copies),
        CompiledActor(policy),
        num_episodes,
    )


def make_compiled_environment(task: Task, policy: Policy, num_episodes: int) -> CompiledEnvironment:
    """Make the task's compiled environment.

    Raises:
        UserError: If it cannot be made, or if memory, which has to be there for every step up to
            the time limit, cannot hold so many episodes.
    """
    limit = task.specification.max_episode_steps
    num_bytes = COPIES_OF_EPISODES * step_bytes(policy)
    most = min(MAX_ROWS, _physical_memory() // num_bytes) // num_episodes
    if limit > most:
        raise UserError(
            f"{task.name}: expected an env.max_episode_steps of at most {most:,}, since a compiled "
            f"environment has memory for every step up to it, about {num_bytes} bytes, of "
            f"{num_episodes:,} episodes together; received {limit:,}. env.backend: gymnasium needs "
            "memory for the steps that are taken, no others"
        )
    try:
        return make_compiled(task.specification)
    except (ValueError, TypeError, ImportError, AttributeError) as error:
        raise UserError(
            f"{task.name}: expected a compiled environment that can be made in the place of "
            f"{task.specification.id}, received {type(error).__name__}: {error}"
        ) from error


def _physical_memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
