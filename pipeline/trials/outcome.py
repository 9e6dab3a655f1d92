"""The outcome of trying values: a table, the differences and a picture.

R is the number of runs of a value. Runs are judged by `final_return`, that is by training episodes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.experiments import comparison
from pipeline.experiments.comparison import Difference, Result, environments
from pipeline.experiments.picture import Curve, draw_comparison
from pipeline.experiments.text import sentence
from pipeline.figures.learning_curve import smooth
from pipeline.figures.style import png
from pipeline.formatting import number, with_interval
from pipeline.statistics import MIN_RUNS, bootstrap_interval, interquartile_mean
from pipeline.task.artifacts import Table, atomic_write
from pipeline.trials.events import TimedRun
from pipeline.trials.keeping import how_to_keep
from pipeline.trials.values import Candidate

MEASURE = "mean return"


class Trial(NamedTuple):
    """A value and its R runs."""

    candidate: Candidate
    runs: Sequence[TimedRun]

    @property
    def completed(self) -> list[TimedRun]:
        """The runs that did not diverge."""
        return [run for run in self.runs if run.final_return is not None]

    @property
    def diverged(self) -> bool:
        """True if any run diverged. Then there is no mean."""
        return len(self.completed) < len(self.runs)

    @property
    def returns(self) -> NDArray[np.float64]:
        """The final returns of the runs that did not diverge."""
        return np.array([run.final_return for run in self.completed])

    @property
    def mean(self) -> float:
        """The interquartile mean of the final returns."""
        return float(interquartile_mean(self.returns))


def make_trials(candidates: Sequence[Candidate], runs: Sequence[TimedRun]) -> list[Trial]:
    """Assign the runs, in the order of `prepare_runs`, to their values."""
    num_runs = len(runs) // len(candidates)
    return [
        Trial(candidate, runs[index * num_runs :][:num_runs])
        for index, candidate in enumerate(candidates)
    ]


def cells(trials: Sequence[Trial], curves: Sequence[str]) -> list[list[str]]:
    """Return the head and the rows of a table.

    Args:
        trials: The values.
        curves: The learning curve of each, as text.
    """
    head = [*trials[0].candidate.values, "runs", "mean return", "worst run", "env steps", "seconds"]
    rows = [
        [*trial.candidate.values.values(), str(len(trial.runs)), *_cells(trial), curve]
        for trial, curve in zip(trials, curves, strict=True)
    ]
    return [[*head, "learning curve"], *rows]


def describe(trials: Sequence[Trial], path: Path) -> str:
    """Describe which values differ, and how to keep the best one.

    Args:
        trials: The values.
        path: The path of params.yaml.
    """
    compared = sorted((trial for trial in trials if not trial.diverged), key=lambda t: -t.mean)
    if not compared:
        return "Runs of each value diverged: try a smaller learning_rate, or max_gradient_norm=0.5."
    pairs = differences(compared)
    lines = [sentence(difference) for difference in pairs]
    if pairs and len(compared[0].runs) < MIN_RUNS:
        lines.append(f"With fewer than {MIN_RUNS} runs, no difference is conclusive: try runs=5.")
    lines.append("Judged by training episodes: the mean return over the last tenth of the updates.")
    if all(difference.verdict != "other environment" for difference in pairs):
        best = compared[0].candidate
        lines += [f"To keep {best.label}{', the highest' if pairs else ''}:", ""]
        lines += [f"    {line}" for line in how_to_keep(best.overrides, path)]
    return "\n".join(lines)


def differences(trials: Sequence[Trial]) -> list[Difference]:
    """Compare up to three values pairwise, more with the first one."""
    results = [
        Result(trial.candidate.label, len(trial.runs), {}, {MEASURE: trial.returns})
        for trial in trials
    ]
    parameters = {
        ".".join(map(str, location[2:])): {
            trial.candidate.label: trial.candidate.overrides[location] for trial in trials
        }
        for location in trials[0].candidate.overrides
    }
    defining = environments(parameters, {"": None})
    return comparison.differences(results, defining, [MEASURE])


def write_picture(path: Path, trials: Sequence[Trial]) -> str:
    """Draw the learning curves of the runs that did not diverge.

    Returns:
        A line for the terminal with the path and what was drawn.
    """
    drawn = [trial for trial in trials if trial.completed]
    if not drawn:
        return "no picture: all runs diverged"
    curves = [
        Curve(
            trial.candidate.label,
            f"{len(trial.runs) - len(trial.completed)} of {len(trial.runs)} runs diverged"
            * trial.diverged,
            smooth(_learning_curve(trial.completed)),
        )
        for trial in drawn
    ]
    figure = draw_comparison({trials[0].candidate.task.name: curves}, "value")
    with atomic_write(path) as written:
        written.write_bytes(png(figure))
    return f"{path}: learning curves"


def _cells(trial: Trial) -> Iterator[str]:
    """Yield the cells of a value's results."""
    if trial.diverged:
        yield f"diverged ({len(trial.runs) - len(trial.completed)})"
        yield ""
    else:
        interval = bootstrap_interval(trial.returns)
        low, high = map(float, interval) if interval else (None, None)
        yield with_interval(trial.mean, low, high)
        yield number(float(trial.returns.min()))
    yield f"{sum(run.records[-1].num_env_steps for run in trial.runs if run.records):,}"
    yield f"{sum(run.seconds for run in trial.runs):.1f}"


def _learning_curve(runs: Sequence[TimedRun]) -> Table:
    columns = ("num_episodes", "num_env_steps", "mean_return")
    rows = [
        (index, *(getattr(record, column) for column in columns))
        for index, run in enumerate(runs)
        for record in run.records
    ]
    return dict(zip(("run", *columns), map(np.array, zip(*rows, strict=True)), strict=True))
