"""Stage `train`: train the initial policies with REINFORCE.

This process reports progress and writes the results. `pipeline/train_run.py` trains the runs, with
one worker per core. If only one is needed, it runs in this process.
"""

import shutil
import time
from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.formatting import number
from pipeline.process.interruption import Interrupted
from pipeline.runs.checkpoints import open_checkpoints
from pipeline.runs.dependencies import training_dependencies
from pipeline.runs.progress import Progress
from pipeline.runs.results import TrainedRun
from pipeline.runs.workers import LazyPrepare, perform_runs, useful_workers
from pipeline.task.artifacts import Table, stack_weights, write_arrays, write_table
from pipeline.task.task import Task
from reinforce.records import UpdateRecord


def train(task: Task) -> None:
    """Train every run of a task with REINFORCE; write learning curves and final weights."""
    started = time.monotonic()
    with open_checkpoints(
        task.checkpoints, training_dependencies(task), task.checkpoint_seconds
    ) as checkpoints:
        saved = [checkpoints.read(run, quiet=False) for run in range(task.params.num_runs)]
        progress = Progress(task, saved)
        if any(saved):
            print(f"{task.name}: resuming at {progress}", flush=True)
        shutil.rmtree(task.files.tensorboard, ignore_errors=True)
        with progress.bar:
            try:
                runs = perform_runs(
                    task,
                    LazyPrepare(
                        "pipeline.train_run:prepare_training", (checkpoints, task.files.tensorboard)
                    ),
                    progress.show,
                    resumable=True,
                    useful_num_workers=useful_workers([task]),
                )
            except Interrupted as error:
                point = "before the first update; nothing to resume"
                if progress.spent:
                    point = f"at {progress}; `dvc repro` resumes there"
                raise Interrupted(f"{task.name}: interrupted {point}", error.number) from error
        _write(task, runs)
        checkpoints.remove()
    _print_summary(task, runs, progress.num_env_steps, time.monotonic() - started)


def _write(task: Task, runs: list[TrainedRun]) -> None:
    """Write the trained weights and the tables of all runs."""
    records = [run.records for run in runs]
    write_arrays(task.files.final_weights, stack_weights([run.weights for run in runs]))
    write_table(task.files.learning_curve, learning_curve(records, [run.kept for run in runs]))
    write_table(
        task.files.action_distribution,
        action_distribution(records, [run.distribution for run in runs], runs[0].parameter_names),
    )


def learning_curve(records: list[list[UpdateRecord]], kept: Sequence[int | None]) -> Table:
    """Tabulate the updates: a row for each update of each run.

    The columns are `run`, the numeric fields of UpdateRecord, and `kept`: 1 at the update whose
    episodes the trained policy sampled, else 0. It is 0 everywhere if the last update produced the
    trained policy.
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
    """Tabulate the action distribution: for each run, a row before each update and after the last.

    A row is the mean over the steps of its update's episodes. The final row takes the mean over the
    last update's episodes again, with the trained policy.
    """
    rows = []
    for run, updates in enumerate(records):
        num_episodes = [0, *(update.num_episodes for update in updates)]
        parameters = [*(update.distribution for update in updates), final[run]]
        rows += [(run, n, *p) for n, p in zip(num_episodes, parameters, strict=True)]
    columns = zip(*rows, strict=True)
    names = ("run", "num_episodes", *names)
    return {name: np.array(column) for name, column in zip(names, columns, strict=True)}


def _print_summary(task: Task, runs: list[TrainedRun], num_env_steps: int, seconds: float) -> None:
    mean_return = float(np.mean([run.records[-1].mean_return for run in runs]))
    budget = task.params.train.budget
    print(
        f"{task.name}: trained; runs: {len(runs)}, {budget.noun} per run: "
        f"{budget.total:,}, mean return of the last update: "
        f"{number(mean_return)}; {num_env_steps:,} env steps in {seconds:.1f} s, including start-up"
    )
