"""Training runs of a task whose parameters change from run to run, with few compilations."""

import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from models.policy import Policy
from pipeline.build.learners import (
    make_schedule,
    make_trainer,
    program_params,
    set_hyperparameters,
)
from pipeline.build.policies import get_weights, make_policy, set_weights
from pipeline.build.samplers import make_sampler
from pipeline.process.interruption import Interrupted
from pipeline.process.xla_cache import keep_programs
from pipeline.task.artifacts import Weights, stack_weights
from pipeline.task.seeds import Purpose
from pipeline.task.task import Task
from reinforce.episodes import Episodes
from reinforce.records import DivergenceError, UpdateRecord
from reinforce.sampling.protocol import Sampler
from reinforce.train import Trainer

Show = Callable[[UpdateRecord], signal.Signals | None]


class TrainedRun(NamedTuple):
    """A run, with the same records as stage `train` makes for the same parameters."""

    records: list[UpdateRecord]  # one for each update
    divergence: str | None  # the reason why training stopped early, if it did


class _Program(NamedTuple):
    """A compiled training, for all hyperparameters that it reads from variables."""

    policy: Policy
    sampler: Sampler  # of the first episodes
    trainer: Trainer
    first: dict[int, tuple[Weights, Episodes]]  # run → initial weights, and episodes with them


class WarmTraining:
    """Trains runs of tasks that differ in their parameters, compiling each program once."""

    def __init__(self) -> None:
        self._programs: dict[str, _Program] = {}

    def compile(self, task: Task) -> None:
        """Compile the program of a task, if it has not been compiled."""
        self._program(task)

    def train(self, task: Task, run: int, show: Show) -> TrainedRun:
        """Train one run of a task; nothing is written.

        Args:
            task: The task.
            run: Number of the run.
            show: Called with the record of each update. Returns the signal that requested to stop,
                if any.

        Raises:
            Interrupted: If `show` returned a signal.
            UserError, EnvironmentFault: See `make_compiled_environment` and `Sampler.sample`.
        """
        with task.locate_faults(run):
            policy, _, trainer, _ = program = self._program(task)
            weights, first = _first_episodes(task, program, run)

            def seeds(update: int) -> np.random.SeedSequence:
                return task.stream(Purpose.TRAINING, run, update)

            set_weights(policy, weights, 0)
            set_hyperparameters(trainer.learner, task.params.train)
            trainer.reset(task.stream(Purpose.INITIAL_VALUE_WEIGHTS, run))
            records: list[UpdateRecord] = []
            try:
                for made in trainer.run(first, seeds, make_schedule(task.params.train)):
                    records += made
                    signals = [number for record in made if (number := show(record))]
                    if signals:
                        raise Interrupted("interrupted", signals[0])
            except FloatingPointError as error:
                update = error.update if isinstance(error, DivergenceError) else len(records)
                return TrainedRun(records, f"run {run}, update {update}: {error}")
            finally:
                keep_programs()
            return TrainedRun(records, None)

    def _program(self, task: Task) -> _Program:
        params = task.params
        key = repr((task.seed, params.env, params.policy, params.rollout))
        key += repr(program_params(params.train))
        if key not in self._programs:
            policy = make_policy(params.policy, task.specification)
            trainer = make_trainer(task, policy)
            trainer.compile()
            sampler = make_sampler(task, policy, params.rollout.num_episodes)
            self._programs[key] = _Program(policy, sampler, trainer, {})
        return self._programs[key]


def final_return(records: Sequence[UpdateRecord]) -> float:
    """Compute the mean return over the last tenth of a run's updates, at least one."""
    last = records[-max(1, len(records) // 10) :]
    return float(np.mean([record.mean_return for record in last]))


def _first_episodes(task: Task, program: _Program, run: int) -> tuple[Weights, Episodes]:
    """Return a run's initial weights and its first update's episodes, as stage `rollout` does."""
    if run not in program.first:
        seed = task.stream(Purpose.INITIAL_WEIGHTS, run)
        weights = stack_weights(
            [get_weights(make_policy(task.params.policy, task.specification, seed))]
        )
        set_weights(program.policy, weights, 0)
        with program.sampler:
            episodes = program.sampler.sample(task.stream(Purpose.ROLLOUT, run))
        program.first[run] = weights, episodes.take(task.params.train.episodes_per_update)
    return program.first[run]
