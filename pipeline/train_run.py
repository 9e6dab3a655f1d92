"""The work of one worker of stage `train`: training runs, one after another."""

import signal
import time
from pathlib import Path

import numpy as np

from pipeline.build.learners import get_state, make_schedule, make_trainer, set_state
from pipeline.build.policies import get_weights, make_policy, set_weights
from pipeline.process.interruption import Interrupted
from pipeline.rollout_files import read_rollouts
from pipeline.runs.checkpoints import Checkpoints, RunCheckpoint
from pipeline.runs.results import TrainedRun
from pipeline.runs.tensorboard import TensorBoardWriter
from pipeline.runs.workers import Perform, Report
from pipeline.task.errors import UserError
from pipeline.task.seeds import Purpose
from pipeline.task.task import Task
from reinforce.records import DivergenceError, UpdateRecord


def prepare_training(task: Task, checkpoints: Checkpoints, folder: Path) -> Perform[TrainedRun]:
    """Build a function that trains runs of a task, one after another.

    Args:
        task: The task.
        checkpoints: The checkpoints of the runs, to resume from and to write.
        folder: The folder for the task's TensorBoard logs.

    Returns:
        A function that trains a run, from its checkpoint if there is one. It reports the record of
        each update, including those in the checkpoint.

    Raises:
        UserError: If the rollouts do not match the task's initial policies.
    """
    params = task.params
    schedule, budget = make_schedule(params.train), params.train.budget
    policy = make_policy(params.policy, task.specification)
    rollouts = read_rollouts(
        task.files,
        policy,
        params.num_runs,
        params.train.episodes_per_update,
        task.specification.max_episode_steps,
    )
    trainer = make_trainer(task, policy)
    trainer.compile()  # first, while there is nothing to save and a signal may end the process

    def perform(run: int, report: Report) -> TrainedRun:
        saved = checkpoints.read(run)
        if saved is None:
            set_weights(policy, rollouts.weights, run)
            trainer.reset(task.stream(Purpose.INITIAL_VALUE_WEIGHTS, run))
            saved = RunCheckpoint([], {})
        else:
            set_state(trainer, saved.state)
        with TensorBoardWriter(folder / f"run-{run}", budget) as scalars:

            def show(record: UpdateRecord) -> signal.Signals | None:
                scalars.show(record)
                return report(record)

            for record in saved.records:
                show(record)
            distribution = saved.distribution
            if distribution is None:
                distribution = train_on(run, saved.records, show)
        names = tuple(policy.head.parameter_names)
        kept = trainer.best.kept_update if trainer.best is not None else None
        return TrainedRun(saved.records, kept, get_weights(policy), distribution, names)

    def train_on(run: int, records: list[UpdateRecord], show: Report) -> np.ndarray:
        """Make the updates that `records` lacks; return the run's final action distribution."""

        def seeds(update: int) -> np.random.SeedSequence:
            return task.stream(Purpose.TRAINING, run, update)

        first = rollouts.episodes[run].take(params.train.episodes_per_update)
        last = records[-1] if records else None
        due = time.monotonic() + checkpoints.seconds
        try:
            for made in trainer.run(first, seeds, schedule, after=last):
                records += made
                signals = [number for record in made if (number := show(record))]
                is_due = signals or time.monotonic() >= due
                if is_due and budget.spent(records[-1]) < budget.total:
                    checkpoints.write(run, RunCheckpoint(records, get_state(trainer)))
                    due = time.monotonic() + checkpoints.seconds
                    if signals:
                        message = f"run {run} stopped after {len(records)} updates"
                        raise Interrupted(message, signals[0])
        except FloatingPointError as error:
            update = error.update if isinstance(error, DivergenceError) else len(records)
            masked = task.is_compiled and task.specification.action_mask is not None
            or_masks = ", or make sure that every mask has a legal action" * masked
            raise UserError(
                f"{task.name}: run {run}, update {update}: training stopped, since {error}; "
                f"try a smaller tasks.{task.name}.train.learning_rate (or value.learning_rate), or "
                f"tasks.{task.name}.train.max_gradient_norm: 0.5{or_masks}"
            ) from error
        if trainer.best is not None:
            trainer.best.restore()
        assert trainer.last_episodes is not None
        distribution = trainer.learner.mean_distribution(trainer.last_episodes).numpy()
        checkpoints.write(run, RunCheckpoint(records, get_state(trainer), distribution))
        return distribution

    return perform
