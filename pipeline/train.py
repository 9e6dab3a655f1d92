"""Stage `train`: REINFORCE, from the initial policies and their episodes to trained weights."""

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from pipeline.environments.faults import EnvironmentFault
from pipeline.errors import UserError
from pipeline.files.artifacts import Table, stack_weights, write_arrays, write_table
from pipeline.processes.interruption import Interrupted
from pipeline.processes.stage import Task, run_stage, start_tensorflow
from pipeline.processes.workers import Perform, Report, perform_runs
from pipeline.reinforce.records import UpdateRecord
from pipeline.seeds import Purpose, stream
from pipeline.training.checkpoints import Checkpoints, RunCheckpoint, open_checkpoints
from pipeline.training.determinants import training_determinants
from pipeline.training.live import LOGS, Live
from pipeline.training.progress import Progress

# A compiled environment is through with as many while another process starts and compiles.
MIN_ENV_STEPS_PER_WORKER = 2_000_000


class TrainedRun(NamedTuple):
    """What training made of one run."""

    records: list[UpdateRecord]  # one for each update
    kept: int | None  # the update whose episodes the trained policy sampled; None: the last made it
    weights: dict[str, np.ndarray]  # of the trained policy, by variable path
    distribution: np.ndarray  # [N]: its action distribution's parameters, over the last episodes
    parameter_names: tuple[str, ...]  # N names


def train(task: Task) -> None:
    """Trains every run of a task by REINFORCE; writes learning curves and final weights."""
    started = time.monotonic()
    determinants = training_determinants(task)
    with open_checkpoints(task.checkpoints, determinants, task.checkpoint_seconds) as checkpoints:
        saved = [checkpoints.read(run, quiet=False) for run in range(task.params.num_runs)]
        with Progress(task, saved) as progress, _live(task) as live:
            if any(saved):
                print(f"{task.name}: continues at {progress}", flush=True)

            def show(run: int, record: UpdateRecord) -> None:
                progress.show(run, record)
                live.show(run, record)

            try:
                prepared = partial(prepare, checkpoints=checkpoints)
                runs = perform_runs(
                    task, prepared, show, continuable=True, worthwhile=worthwhile_workers(task)
                )
            except Interrupted as error:
                message = f"{task.name}: interrupted at {progress}; `dvc repro` continues there"
                raise Interrupted(message, error.number) from error
        _write(task, runs)
        checkpoints.remove()
    _summarize(task, runs, progress.num_env_steps, time.monotonic() - started)


def worthwhile_workers(task: Task) -> int | None:
    """How many processes have enough to do; None where each run keeps one busy for long."""
    if not task.is_compiled:
        return None
    num_episodes = task.params.num_runs * task.params.train.num_episodes
    max_env_steps = num_episodes * task.specification.max_episode_steps
    return max(1, max_env_steps // MIN_ENV_STEPS_PER_WORKER)


def _write(task: Task, runs: list[TrainedRun]) -> None:
    """Writes what training made of all runs."""
    records = [run.records for run in runs]
    write_arrays(task.files.final_weights, stack_weights([run.weights for run in runs]))
    write_table(task.files.learning_curve, learning_curve(records, [run.kept for run in runs]))
    write_table(
        task.files.action_distribution,
        action_distribution(records, [run.distribution for run in runs], runs[0].parameter_names),
    )


def prepare(task: Task, checkpoints: Checkpoints) -> Perform[TrainedRun]:
    """Starts TensorFlow and builds what trains a task's runs, one after the other.

    The function that it returns goes on from a run's checkpoint, if there is one. It reports the
    record of each update, those of the checkpoint included.

    Raises:
        UserError: If the rollouts are not those of the task's policies.
    """
    start_tensorflow()
    from pipeline.assembly import learners, policies
    from pipeline.assembly.backends import chunk_size, make_training
    from pipeline.assembly.rollouts import read_rollouts

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
    learner = learners.make_learner(params.train, policy, chunk_size(task))
    training = make_training(task, learner)
    num_updates = params.train.num_episodes // params.train.episodes_per_update

    def perform(run: int, report: Report) -> TrainedRun:
        saved = checkpoints.read(run)
        if saved is None:
            seed = stream(task.seed, Purpose.INITIAL_VALUE_WEIGHTS, run)
            learners.begin_run(learner, params.train, rollouts.weights, run, seed)
        else:
            learners.set_state(learner, saved.state)
        records = saved.records if saved is not None else []
        for record in records:
            report(record)
        distribution = saved.distribution if saved is not None else None
        if distribution is None:
            distribution = train_on(run, records, report)
        names = tuple(policy.head.parameter_names)
        kept = learner.best.update if learner.best is not None else None
        return TrainedRun(records, kept, policies.get_weights(policy), distribution, names)

    def train_on(run: int, records: list[UpdateRecord], report: Report) -> np.ndarray:
        """Makes the updates of a run that `records` lacks; returns its final distribution."""

        def seeds(update: int) -> np.random.SeedSequence:
            return stream(task.seed, Purpose.TRAINING, run, update)

        first = rollouts.episodes[run].take(params.train.episodes_per_update)
        last = records[-1] if records else None
        due = time.monotonic() + checkpoints.seconds
        updates = training.train_run(first, seeds, num_updates, after=last)
        for record in _watched(updates, task, run, len(records)):
            records.append(record)
            asked = report(record)
            between = training.num_made == len(records) < num_updates  # the state is that of now
            if between and (asked or time.monotonic() >= due):
                checkpoints.write(run, RunCheckpoint(records, learners.get_state(learner)))
                due = time.monotonic() + checkpoints.seconds
                if asked:
                    raise Interrupted(f"run {run} stopped after {len(records)} updates", asked)
        if learner.best is not None:
            learner.best.restore()
        distribution = learner.mean_distribution(training.last_episodes).numpy()
        state = learners.get_state(learner)
        checkpoints.write(run, RunCheckpoint(records, state, distribution))
        return distribution

    return perform


def learning_curve(records: list[list[UpdateRecord]], kept: Sequence[int | None]) -> Table:
    """A row for each update of each run.

    The columns are `run`, the fields of UpdateRecord that are numbers, and `kept`: 1 at the update
    whose episodes the trained policy sampled, else 0; nowhere 1 where the last update made it.
    """
    rows = [
        (run, *record[:-1], int(record.update == kept[run]))
        for run, updates in enumerate(records)
        for record in updates
    ]
    names = ("run", *records[0][0]._fields[:-1], "kept")
    columns = zip(*rows, strict=True)
    return {name: np.array(column) for name, column in zip(names, columns, strict=True)}


def action_distribution(
    records: list[list[UpdateRecord]], final: list[np.ndarray], names: Iterable[str]
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


def _live(task: Task) -> Live:
    train = task.params.train
    num_updates = train.num_episodes // train.episodes_per_update
    return Live(LOGS / task.name, task.params.num_runs, num_updates)


def _watched(
    updates: Iterable[UpdateRecord], task: Task, run: int, first: int
) -> Iterator[UpdateRecord]:
    """Passes the updates of one run on, from number `first`; says where training broke down."""
    update = first - 1
    try:
        for record in updates:
            yield record
            update = record.update
    except EnvironmentFault as fault:
        raise EnvironmentFault(f"update {update + 1}: {fault}") from fault
    except FloatingPointError as error:
        raise UserError(
            f"{task.name}: run {run}, update {update + 1}: training stopped, since {error}; "
            f"try a smaller tasks.{task.name}.train.learning_rate (or train.value's), or "
            f"tasks.{task.name}.train.max_gradient_norm: 0.5"
        ) from error


def _summarize(task: Task, runs: list[TrainedRun], num_env_steps: int, seconds: float) -> None:
    mean_return = np.mean([run.records[-1].mean_return for run in runs])
    print(
        f"{task.name}: number of runs {len(runs)}, episodes of each "
        f"{task.params.train.num_episodes}, mean return of the last update {mean_return:.4g}; "
        f"{num_env_steps:,} env steps in "
        f"{seconds:.1f} s ({num_env_steps / seconds:,.0f} a second)"
    )


if __name__ == "__main__":
    run_stage(train)
