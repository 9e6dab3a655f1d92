"""Stage `rollout`: create the initial policy of every run and sample complete episodes with it."""

import sys

import numpy as np

from environments.diagnostics import find_warnings
from environments.faults import EnvironmentFault
from pipeline.build.policies import get_weights, make_policy, set_weights
from pipeline.build.samplers import make_sampler
from pipeline.formatting import number
from pipeline.progress_bar import ProgressBar
from pipeline.rollout_files import Rollouts, write_rollouts
from pipeline.task.artifacts import stack_weights
from pipeline.task.seeds import Purpose
from pipeline.task.task import Task


def rollout(task: Task) -> None:
    """Create the initial policy of every run and sample complete episodes with it."""
    params, specification = task.params, task.specification
    runs, num_episodes = range(params.num_runs), params.rollout.num_episodes
    location = f"{task.name}: {specification.id}"
    try:
        for warning in find_warnings(specification):
            print(f"warning: {location}: {warning}", file=sys.stderr)
    except EnvironmentFault as fault:
        raise EnvironmentFault(f"{location}: {fault}") from fault
    policy = make_policy(params.policy, specification)  # all runs share it, compiled once
    sampler = make_sampler(task, policy, num_episodes)
    seeds = [task.stream(Purpose.INITIAL_WEIGHTS, run) for run in runs]
    initial = [make_policy(params.policy, specification, seed) for seed in seeds]
    weights = stack_weights([get_weights(policy) for policy in initial])
    episodes = []
    with ProgressBar(task.name, "compiling", len(runs)) as bar:
        for run in runs:
            set_weights(policy, weights, run)
            with task.locate_faults(run), sampler:
                episodes.append(sampler.sample(task.stream(Purpose.ROLLOUT, run)))
            bar.text = f"sampled with {len(episodes)} of {len(runs)} initial policies"
            bar.count = len(episodes)
    write_rollouts(task.files, Rollouts(weights, episodes))
    mean_return = np.mean([batch.episode_returns for batch in episodes])
    print(
        f"{task.name}: sampled with initial policies; runs: {params.num_runs}, episodes per run: "
        f"{num_episodes}, mean return: {number(mean_return)}"
    )
