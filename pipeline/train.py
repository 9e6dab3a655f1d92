"""Stage `train`: REINFORCE, from the initial policies and their episodes to trained weights."""

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from pipeline.artifacts import Table, write_arrays, write_table
from pipeline.errors import UserError
from pipeline.seeds import Purpose, stream
from pipeline.stage import Task, run_stage, start_tensorflow

if TYPE_CHECKING:
    from pipeline.reinforce.training import UpdateRecord


def train(task: Task) -> None:
    """Trains every run of a task by REINFORCE; writes learning curves and final weights."""
    start_tensorflow()
    from pipeline import policies
    from pipeline.backends import training
    from pipeline.rollouts import read_rollouts

    params = task.params
    any_seed = stream(task.seed, Purpose.INITIAL_WEIGHTS, run=0)  # the weights are replaced
    policy = policies.make_policy(params.policy, task.specification, any_seed)
    rollouts = read_rollouts(
        task.files,
        policy,
        params.num_runs,
        params.train.episodes_per_update,
        task.specification.max_episode_steps,
    )
    learner = policies.make_learner(params.train, policy, task.specification.max_episode_steps)
    num_updates = params.train.num_episodes // params.train.episodes_per_update

    started, records, weights, distributions = time.monotonic(), [], [], []
    with training(task, learner) as trainer, _progress_bar(task) as bar:
        for run in range(params.num_runs):

            def seeds(update: int, run: int = run) -> np.random.SeedSequence:
                return stream(task.seed, Purpose.TRAINING, run, update)

            seed = stream(task.seed, Purpose.INITIAL_VALUE_WEIGHTS, run)
            policies.begin_run(learner, params.train, rollouts.weights, run, seed)
            first = rollouts.episodes[run].take(params.train.episodes_per_update)
            updates = trainer.train_run(first, seeds, num_updates)
            records.append(list(_watched(updates, task, run, bar)))
            weights.append(policies.get_weights(policy))
            distributions.append(learner.mean_distribution(trainer.last_episodes).numpy())

    write_arrays(task.files.final_weights, policies.stack_weights(weights))
    write_table(task.files.learning_curve, learning_curve(records))
    write_table(
        task.files.action_distribution,
        action_distribution(records, distributions, policy.head.parameter_names),
    )
    _summarize(task, records, time.monotonic() - started)


def learning_curve(records: list[list["UpdateRecord"]]) -> Table:
    """A row for each update of each run: `run` and the fields of UpdateRecord that are numbers."""
    rows = [(run, *record[:-1]) for run, updates in enumerate(records) for record in updates]
    names = ("run", *records[0][0]._fields[:-1])
    columns = zip(*rows, strict=True)
    return {name: np.array(column) for name, column in zip(names, columns, strict=True)}


def action_distribution(
    records: list[list["UpdateRecord"]], final: list[np.ndarray], names: Iterable[str]
) -> Table:
    """A row for each run before each update and after the last: the distribution's parameters.

    Each is a mean over the steps of the update's episodes, the final one over those of the last.
    """
    rows = []
    for run, updates in enumerate(records):
        num_episodes = [0, *(update.num_episodes for update in updates)]
        parameters = [*(update.distribution for update in updates), final[run]]
        rows += [(run, n, *p) for n, p in zip(num_episodes, parameters, strict=True)]
    columns = zip(*rows, strict=True)
    names = ("run", "num_episodes", *names)
    return {name: np.array(column) for name, column in zip(names, columns, strict=True)}


def _progress_bar(task: Task) -> tqdm:
    """Counts episodes; quiet when the standard error is not a terminal."""
    return tqdm(
        total=task.params.num_runs * task.params.train.num_episodes,
        desc=task.name,
        unit=" episodes",
        disable=not sys.stderr.isatty(),
    )


def _watched(
    updates: Iterable["UpdateRecord"], task: Task, run: int, bar: tqdm
) -> Iterable["UpdateRecord"]:
    """Passes the updates of one run on, moves the bar, and says where training broke down."""
    update, num_episodes, started = -1, 0, time.monotonic()
    try:
        for record in updates:
            yield record
            speed = record.num_env_steps / (time.monotonic() - started)
            bar.set_postfix_str(
                f"run {run + 1} of {task.params.num_runs}, mean return {record.mean_return:.4g}, "
                f"{speed:,.0f} env steps/s",
                refresh=False,
            )
            bar.update(record.num_episodes - num_episodes)
            update, num_episodes = record.update, record.num_episodes
    except FloatingPointError as error:
        raise UserError(
            f"{task.name}: run {run}, update {update + 1}: training stopped, since {error}; "
            f"try a smaller tasks.{task.name}.train.learning_rate (or train.value's), or "
            f"tasks.{task.name}.train.max_gradient_norm: 0.5"
        ) from error


def _summarize(task: Task, records: list[list["UpdateRecord"]], seconds: float) -> None:
    num_env_steps = sum(updates[-1].num_env_steps for updates in records)
    mean_return = np.mean([updates[-1].mean_return for updates in records])
    print(
        f"{task.name}: number of runs {len(records)}, episodes of each "
        f"{task.params.train.num_episodes}, mean return of the last update {mean_return:.4g}; "
        f"{num_env_steps:,} env steps in "
        f"{seconds:.1f} s ({num_env_steps / seconds:,.0f} a second)"
    )


if __name__ == "__main__":
    run_stage(train)
