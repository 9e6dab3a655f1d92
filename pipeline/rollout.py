"""Stage `rollout`: the initial policy of every run, and complete episodes sampled by it."""

import sys

import numpy as np

from environments.faults import EnvironmentFault
from environments.peculiarities import find_peculiarities
from pipeline.activity import Activity
from pipeline.build.policies import get_weights, make_policy, set_weights
from pipeline.build.samplers import make_sampler
from pipeline.rollouts import Rollouts, write_rollouts
from pipeline.task.artifacts import stack_weights
from pipeline.task.seeds import Purpose
from pipeline.task.task import Task
from pipeline.wording import number


def rollout(task: Task) -> None:
    """Create the initial policy of every run and sample complete episodes with it."""
    params, specification = task.params, task.specification
    runs, num_episodes = range(params.num_runs), params.rollout.num_episodes
    place = f"{task.name}: {specification.id}"
    try:
        for peculiarity in find_peculiarities(specification):
            print(f"{place}: {peculiarity}", file=sys.stderr)
    except EnvironmentFault as fault:
        raise EnvironmentFault(f"{place}: {fault}") from fault
    seeds = [task.stream(Purpose.INITIAL_WEIGHTS, run) for run in runs]
    policies = [make_policy(params.policy, specification, seed) for seed in seeds]
    weights = stack_weights([get_weights(policy) for policy in policies])

    policy = policies[0]  # the runs take turns in its variables: one compilation serves all
    sampler = make_sampler(task, policy, num_episodes)
    episodes = []
    with Activity(task.name, "compiling", len(runs)) as activity:
        for run in runs:
            set_weights(policy, weights, run)
            with task.located_in_run(run), sampler:
                episodes.append(sampler.sample(task.stream(Purpose.ROLLOUT, run)))
            activity.text = f"sampled {len(episodes)} of {len(runs)} initial policies"
            activity.count = len(episodes)
    write_rollouts(task.files, Rollouts(weights, episodes))
    mean_return = np.mean([batch.episode_returns for batch in episodes])
    print(
        f"{task.name}: initial policies, number of runs {params.num_runs}, episodes of each "
        f"{num_episodes}, mean return {number(mean_return)}"
    )
