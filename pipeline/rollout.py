"""Stage `rollout`: the initial policy of every run, and complete episodes sampled by it."""

import numpy as np

from pipeline.environments.faults import located_in_run
from pipeline.files.artifacts import stack_weights
from pipeline.processes.stage import Task, run_stage, start_tensorflow
from pipeline.seeds import Purpose, stream


def rollout(task: Task) -> None:
    """Creates the initial policy of every run and samples complete episodes with it."""
    start_tensorflow()
    from pipeline.assembly.backends import make_sampler
    from pipeline.assembly.policies import get_weights, make_policy, set_weights
    from pipeline.assembly.rollouts import Rollouts, write_rollouts

    params, specification = task.params, task.specification
    runs, num_episodes = range(params.num_runs), params.rollout.num_episodes
    seeds = [stream(task.seed, Purpose.INITIAL_WEIGHTS, run) for run in runs]
    policies = [make_policy(params.policy, specification, seed) for seed in seeds]
    weights = stack_weights([get_weights(policy) for policy in policies])

    policy = policies[0]  # the runs take turns in its variables: one compilation serves all
    sampler = make_sampler(task, policy, num_episodes)
    episodes = []
    for run in runs:
        set_weights(policy, weights, run)
        with located_in_run(task, run), sampler() as sample:
            episodes.append(sample(stream(task.seed, Purpose.ROLLOUT, run)))
    write_rollouts(task.files, Rollouts(weights, episodes))
    mean_return = np.mean([batch.episode_returns for batch in episodes])
    print(
        f"{task.name}: initial policies, number of runs {params.num_runs}, episodes of each "
        f"{num_episodes}, mean return {mean_return:.4g}"
    )


if __name__ == "__main__":
    run_stage(rollout)
