"""Stage `train`: REINFORCE, from the initial policies and their episodes to trained weights."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from tqdm import tqdm

from pipeline.artifacts import Table, stack_weights, write_arrays, write_table
from pipeline.errors import UserError
from pipeline.live import LOGS, Live
from pipeline.reinforce.records import UpdateRecord
from pipeline.seeds import Purpose, stream
from pipeline.stage import Task, run_stage, start_tensorflow
from pipeline.workers import Perform, Report, perform_runs


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
    with _Progress(task) as progress, _live(task) as live:

        def show(run: int, record: UpdateRecord) -> None:
            progress.show(run, record)
            live.show(run, record)

        runs = perform_runs(task, prepare, show)
    records = [run.records for run in runs]
    write_arrays(task.files.final_weights, stack_weights([run.weights for run in runs]))
    write_table(task.files.learning_curve, learning_curve(records, [run.kept for run in runs]))
    write_table(
        task.files.action_distribution,
        action_distribution(records, [run.distribution for run in runs], runs[0].parameter_names),
    )
    _summarize(task, records, time.monotonic() - started)


def prepare(task: Task) -> Perform[TrainedRun]:
    """Starts TensorFlow and builds what trains a task's runs, one after the other.

    The function that it returns reports the record of each update.

    Raises:
        UserError: If the rollouts are not those of the task's policies.
    """
    start_tensorflow()
    from pipeline import policies
    from pipeline.backends import make_training
    from pipeline.reinforce.chunks import CHUNK_SIZE, EAGER_CHUNK_SIZE
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
    chunk_size = CHUNK_SIZE if task.is_compiled else EAGER_CHUNK_SIZE
    learner = policies.make_learner(params.train, policy, chunk_size)
    training = make_training(task, learner)
    num_updates = params.train.num_episodes // params.train.episodes_per_update

    def perform(run: int, report: Report) -> TrainedRun:
        def seeds(update: int) -> np.random.SeedSequence:
            return stream(task.seed, Purpose.TRAINING, run, update)

        seed = stream(task.seed, Purpose.INITIAL_VALUE_WEIGHTS, run)
        policies.begin_run(learner, params.train, rollouts.weights, run, seed)
        first = rollouts.episodes[run].take(params.train.episodes_per_update)
        records = []
        for record in _watched(training.train_run(first, seeds, num_updates), task, run):
            report(record)
            records.append(record)
        kept = learner.best.restore() if learner.best is not None else None
        distribution = learner.mean_distribution(training.last_episodes).numpy()
        names = tuple(policy.head.parameter_names)
        return TrainedRun(records, kept, policies.get_weights(policy), distribution, names)

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


class _Progress:
    """A bar that counts episodes; quiet when the standard error is not a terminal."""

    def __init__(self, task: Task) -> None:
        num_runs, num_episodes = task.params.num_runs, task.params.train.num_episodes
        self._bar = tqdm(
            total=num_runs * num_episodes,
            desc=task.name,
            unit=" episodes",
            disable=not sys.stderr.isatty(),
        )
        self._num_episodes = [0] * num_runs
        self._num_env_steps = [0] * num_runs
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.close()

    def show(self, run: int, record: UpdateRecord) -> None:
        """Moves the bar by one update of a run."""
        self._num_env_steps[run] = record.num_env_steps
        speed = sum(self._num_env_steps) / (time.monotonic() - self._started)
        self._bar.set_postfix_str(
            f"run {run + 1} of {len(self._num_episodes)}, mean return {record.mean_return:.4g}, "
            f"{speed:,.0f} env steps/s",
            refresh=False,
        )
        self._bar.update(record.num_episodes - self._num_episodes[run])
        self._num_episodes[run] = record.num_episodes


def _watched(updates: Iterable[UpdateRecord], task: Task, run: int) -> Iterator[UpdateRecord]:
    """Passes the updates of one run on, and says where training broke down."""
    update = -1
    try:
        for record in updates:
            yield record
            update = record.update
    except FloatingPointError as error:
        raise UserError(
            f"{task.name}: run {run}, update {update + 1}: training stopped, since {error}; "
            f"try a smaller tasks.{task.name}.train.learning_rate (or train.value's), or "
            f"tasks.{task.name}.train.max_gradient_norm: 0.5"
        ) from error


def _summarize(task: Task, records: list[list[UpdateRecord]], seconds: float) -> None:
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
