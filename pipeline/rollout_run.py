"""The work of stage `rollout`."""

import numpy as np

from pipeline.build.policies import get_weights, make_policy, set_weights
from pipeline.build.samplers import make_sampler
from pipeline.progress_bar import ProgressBar
from pipeline.rollout_files import Rollouts, write_rollouts
from pipeline.task.artifacts import stack_weights
from pipeline.task.seeds import Purpose
from pipeline.task.task import Task


def sample(task: Task, bar: ProgressBar) -> float:
    """Create the initial policies, sample episodes with them and write both.

    Returns:
        The mean episode return.
    """
    params, specification = task.params, task.specification
    runs = range(params.num_runs)
    bar.text = "compiling"
    policy = make_policy(params.policy, specification)  # all runs share it, compiled once
    sampler = make_sampler(task, policy, params.rollout.num_episodes)
    seeds = [task.stream(Purpose.INITIAL_WEIGHTS, run) for run in runs]
    initial = [make_policy(params.policy, specification, seed) for seed in seeds]
    weights = stack_weights([get_weights(policy) for policy in initial])
    episodes = []
    for run in runs:
        set_weights(policy, weights, run)
        with task.locate_faults(run), sampler:
            episodes.append(sampler.sample(task.stream(Purpose.ROLLOUT, run)))
        bar.count = len(episodes)
        bar.text = f"sampled with {bar.count} of {len(runs)} initial policies"
    write_rollouts(task.files, Rollouts(weights, episodes))
    return float(np.mean([batch.episode_returns for batch in episodes]))
