"""Where the episodes of rollout and training come from: a compiled environment or Gymnasium's."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext

import numpy as np
import tensorflow as tf

from models.action import Action
from models.policy import Policy
from pipeline.environments.compiled import make_compiled
from pipeline.environments.compiled.contract import CompiledEnvironment
from pipeline.environments.parallel.making import make_environments
from pipeline.errors import UserError
from pipeline.processes.stage import Task
from pipeline.reinforce import sampling
from pipeline.reinforce.chunks import CHUNK_SIZE, EAGER_CHUNK_SIZE
from pipeline.reinforce.compiled import CompiledTraining, compile_sampler
from pipeline.reinforce.compiled_sampling import MAX_ROWS, row_size
from pipeline.reinforce.direct_call import direct_call
from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.learner import Learner
from pipeline.reinforce.sampling import Actor
from pipeline.reinforce.training import SampledTraining, Sampler, Training

# In memory at a time when a run trains: those of the last update, as they come and as they go, and
# what is made of them. Peaks of processes with long time limits were 2.4 times the episodes in
# `rollout` and 3.8 times in `train`.
COPIES_OF_EPISODES = 4


def make_sampler(task: Task, policy: Policy, num_episodes: int) -> Callable[[], Sampler]:
    """What samples `num_episodes` episodes of a task with `policy` as it is when called.

    It is compiled once; environments are made anew each time that it is opened.
    """
    if task.is_compiled:
        sample = compile_sampler(_compiled(task, policy, num_episodes), policy, num_episodes)
        return lambda: nullcontext(sample)
    actor = CompiledActor(policy)

    @contextmanager
    def sampler() -> Iterator[Callable[[np.random.SeedSequence], Episodes]]:
        with closing(make_environments(task.specification, num_episodes)) as environments:
            yield lambda seed: sampling.sample_episodes(environments, actor, num_episodes, seed)

    return sampler


def make_training(task: Task, learner: Learner, updates_per_call: int | None = None) -> Training:
    """What trains the policy of `learner`; see CompiledTraining for `updates_per_call`."""
    num_episodes = task.params.train.episodes_per_update
    if task.is_compiled:
        environment = _compiled(task, learner.policy, num_episodes)
        return CompiledTraining(environment, learner, num_episodes, updates_per_call)
    return SampledTraining(learner, make_sampler(task, learner.policy, num_episodes))


def chunk_size(task: Task) -> int:
    """How many env steps are differentiated at a time, by what suits the task's training."""
    return CHUNK_SIZE if task.is_compiled else EAGER_CHUNK_SIZE


class CompiledActor(Actor):
    """A policy that samples, compiled for any number of observations."""

    def __init__(self, policy: Policy) -> None:
        sample = tf.function(policy.sample, input_signature=policy.sample_signature)
        sample = sample.get_concrete_function()
        self._sample = direct_call(sample)
        _, raw_action, outputs = sample.outputs
        self._log_prob = tf.function(
            policy.head.log_prob,
            input_signature=[tf.TensorSpec.from_tensor(t) for t in (outputs, raw_action)],
        )

    def act(self, observations: np.ndarray, seed: np.ndarray) -> Action:
        """See `Actor`."""
        return Action(*self._sample(observations, seed))

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """See `Actor`."""
        return self._log_prob(outputs, raw_actions).numpy()


def _compiled(task: Task, policy: Policy, num_episodes: int) -> CompiledEnvironment:
    """The task's compiled environment.

    Raises:
        UserError: If it cannot be made, or if memory, which has to be there for every step up to
            the time limit, cannot hold so many episodes.
    """
    limit = task.specification.max_episode_steps
    step_bytes = COPIES_OF_EPISODES * row_size(policy)
    most = min(MAX_ROWS, _physical_memory() // step_bytes) // num_episodes
    if limit > most:
        raise UserError(
            f"{task.name}: expected an env.max_episode_steps of at most {most:,}, since a compiled "
            f"environment has memory for every step up to it, about {step_bytes} bytes, of "
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
    """That of the machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
