"""A search for parameters by Optuna, kept in a file.

Candidates come in batches. Optuna proposes a batch from the results of all batches before; then
workers train its candidates, rung by rung, and the best of each rung go on. Proposals depend on the
candidates' numbers and on these results, never on times. So a search gives the same bits with any
number of workers, and after a kill. Only several processes that search together depend on timing.
"""

import fcntl
import json
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from pipeline.runs.workers import PerformAll
from pipeline.task.errors import UserError
from pipeline.task.seeds import Purpose
from pipeline.task.task import Task
from pipeline.trials.candidates import RUNGS, Candidate, RunEnded, RunJob, RunOutcome, goes_on
from pipeline.trials.ranges import (
    Ranges,
    contains,
    is_integer,
    override_values,
    rounded,
    value_in,
)

BATCH = 10  # candidates proposed together; the first two batches are random
MIN_CANDIDATES = 20  # with fewer, the best tenth says nothing
WAIT_SECONDS = 60  # for another process that writes to the file

# Called with the candidates that have changed.
Show = Callable[[list[Candidate]], None]


class Search:
    """The candidates of a task, proposed by Optuna and kept in a file.

    Args:
        study: The study, from `open_study`.
        lock: An open file that every process of this search locks.
        task: The task, with the seed that only searches use.
        ranges: The searched ranges.
        num_runs: Runs of each candidate.
    """

    def __init__(
        self, study: optuna.Study, lock: TextIO, task: Task, ranges: Ranges, num_runs: int
    ) -> None:
        self._study, self._lock = study, lock
        self._task, self._ranges, self._num_runs = task, ranges, num_runs

    def candidates(self) -> list[Candidate]:
        """Return all candidates with at least one run, in the order of their numbers."""
        trials = self._study.get_trials(deepcopy=False)
        return [c for trial in trials if (c := self._candidate(trial)).runs]

    def run(
        self,
        num_candidates: int,
        perform: PerformAll[None],
        on_update: Callable[[], None],
        show: Show,
    ) -> None:
        """Train candidates until there are enough; they include those of earlier calls.

        Args:
            num_candidates: The number of candidates.
            perform: Performs jobs of `prepare_search`.
            on_update: Called after each update of a run.
            show: Called after each run.
        """
        while batch := self._next_batch(num_candidates):
            self._train(batch, perform, on_update, show)

    def _next_batch(self, num_candidates: int) -> list[Trial]:
        """Take over candidates that no process trains; fill the batch with new ones."""
        batch = [Trial(self._study, trial._trial_id) for trial in self._abandoned()]
        for trial in batch:
            self._propose(trial)
        while True:
            states = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
            number = len(self._study.get_trials(deepcopy=False, states=states))
            if number >= num_candidates or (batch and number % BATCH == 0):
                return batch
            batch.append(self._study.ask())
            self._propose(batch[-1])

    def _abandoned(self) -> list[FrozenTrial]:
        """List the unfinished candidates if there is no other process that trains them.

        The operating system releases a process's lock when it ends, even if killed. This process
        trains nothing now, so it may give up its lock for a moment.
        """
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            abandoned = []
        else:
            abandoned = self._study.get_trials(states=(TrialState.RUNNING,))
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        return abandoned

    def _propose(self, trial: Trial) -> None:
        """Choose the values of a candidate that has none."""
        generator = self._task.stream(Purpose.TUNING, trial.number).generate_state(1)
        self._study.sampler = TPESampler(seed=int(generator[0]))
        for name, searched in self._ranges.items():
            if isinstance(searched, list):
                trial.suggest_categorical(name, [json.dumps(value) for value in searched])
            elif is_integer(searched):
                trial.suggest_int(name, **searched)
            else:
                trial.suggest_float(name, **searched)

    def _candidate(self, trial: FrozenTrial | Trial) -> Candidate:
        values = {
            name: self._value(name, trial.params[name])
            for name in self._ranges
            if name in trial.params  # not if the process was killed while it proposed them
        }
        runs: list[RunOutcome | None] = []
        while (key := f"run {len(runs)}") in trial.user_attrs:
            outcome = trial.user_attrs[key]
            runs.append(outcome and RunOutcome(*outcome))
        return Candidate(trial.number, values, runs)

    def _value(self, name: str, proposed: Any) -> Any:
        searched = self._ranges[name]
        if isinstance(searched, list):
            return json.loads(proposed)
        return proposed if is_integer(searched) else rounded(proposed, searched)

    def _train(
        self,
        batch: list[Trial],
        perform: PerformAll[None],
        on_update: Callable[[], None],
        show: Show,
    ) -> None:
        """Train a batch, rung by rung, and record what each candidate is worth."""
        params = []
        for trial in batch:
            try:
                params.append(override_values(self._task, self._candidate(trial).values).params)
            except UserError:
                for each in batch:
                    self._study.tell(each, state=TrialState.FAIL)
                raise
        active = list(zip(batch, params, strict=True))
        for num_runs in [*(rung for rung in RUNGS if rung < self._num_runs), self._num_runs]:
            jobs = [
                (trial, RunJob(changed, run))
                for trial, changed in active
                for run in range(num_runs)
                if f"run {run}" not in trial.user_attrs
            ]

            def report(index: int, value: RunEnded | None, jobs: Any = jobs) -> None:
                if value is None:
                    on_update()
                    return
                trial, job = jobs[index]
                trial.set_user_attr(f"run {job.run}", value.outcome)
                show([self._candidate(trial)])

            perform([job for _, job in jobs], report)
            active = self._after_rung(active, num_runs)

    def _after_rung(
        self, active: Sequence[tuple[Trial, Any]], num_runs: int
    ) -> list[tuple[Trial, Any]]:
        """Tell Optuna the results; return the candidates that go on."""
        candidates = self.candidates()
        following = []
        for trial, params in active:
            candidate = self._candidate(trial)
            if num_runs < self._num_runs and goes_on(candidate, num_runs, candidates):
                following.append((trial, params))
            elif num_runs == self._num_runs and not candidate.diverged:
                self._study.tell(trial, candidate.bound())
            else:
                # Optuna ranks these below the others: by runs, then by mean return.
                trial.report(candidate.score(num_runs)[0], num_runs)
                self._study.tell(trial, state=TrialState.PRUNED)
        return following


@contextmanager
def open_search(
    path: Path, name: str, task: Task, ranges: Ranges, num_runs: int
) -> Iterator[Search]:
    """Open a search, or begin it; see `Search`.

    The task's own values are the first candidate if the ranges contain them.

    Args:
        path: The file, which may have several searches.
        name: The name of the search.
        task: The task, with the seed that only searches use.
        ranges: The searched ranges.
        num_runs: Runs of each candidate.

    Raises:
        UserError: If the file is damaged or cannot be written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock, _file_errors(path):
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process at a time makes the tables
        study = _open_study(path, name)
        own = {each: value_in(task.params, each) for each in ranges}
        if not study.trials and all(contains(ranges[each], own[each]) for each in ranges):
            choices = [each for each in ranges if isinstance(ranges[each], list)]
            study.enqueue_trial(own | {each: json.dumps(own[each]) for each in choices})
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield Search(study, lock, task, ranges, num_runs)


def _open_study(path: Path, name: str) -> optuna.Study:
    try:
        storage = RDBStorage(
            "sqlite://", engine_kwargs={"creator": partial(_connect, path), "poolclass": QueuePool}
        )
    except RuntimeError as error:  # made by another version of Optuna
        raise StorageInternalError(str(error)) from error
    return optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True
    )


def _connect(path: Path) -> sqlite3.Connection:
    """Open a file that is flushed at checkpoints only: a kill still loses nothing.

    Otherwise each of a candidate's dozen changes would wait for the disk.
    """
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error if error.__cause__ is None else error.__cause__
        reason = str(getattr(cause, "orig", cause)).partition("\n")[0]
        text = f"a file that Optuna {optuna.__version__} can read and write, received: {reason}"
        raise UserError(f"{path}: expected {text}; delete it to begin again") from error


def importances(candidates: Sequence[Candidate], ranges: Ranges) -> dict[str, float]:
    """Estimate what share of reaching the best tenth each parameter is responsible for.

    Source: Watanabe, Bansal & Hutter (2023), "PED-ANOVA".

    Returns:
        Name → share, or nothing if there are too few candidates.
    """
    if len(candidates) < MIN_CANDIDATES:
        return {}
    study = optuna.create_study(direction="maximize")
    worst = min((r for c in candidates for r in c.final_returns), default=0.0)
    for candidate in candidates:
        mean = candidate.score(len(candidate.runs))[0]
        study.add_trial(
            optuna.create_trial(
                params={
                    name: json.dumps(value) if isinstance(ranges[name], list) else value
                    for name, value in candidate.values.items()
                },
                distributions={name: _distribution(each) for name, each in ranges.items()},
                value=max(mean, worst),
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # if all returns are equal
        return optuna.importance.get_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator()
        )


def _distribution(searched: Any) -> BaseDistribution:
    if isinstance(searched, list):
        return optuna.distributions.CategoricalDistribution([json.dumps(v) for v in searched])
    if is_integer(searched):
        return optuna.distributions.IntDistribution(**searched)
    return optuna.distributions.FloatDistribution(**searched)
