"""Share of independent runs whose final policy reaches a threshold, for each task.

The stages rollout, train and evaluate run as in `dvc repro`, in a separate folder, with
more runs than in `params.yaml`. A run counts if the mean return of its evaluation episodes reaches
the threshold in the given mode. A run of the bandit counts if the probability of its better arm
does. Shares have Wilson's 95% interval, means a 95% bootstrap interval.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from tqdm import tqdm

from benchmarks import report
from benchmarks.stages import copy_params, run_stage_in
from pipeline.evaluation.table import means_of_runs
from pipeline.process.arguments import add_params, count
from pipeline.process.messages import exit_with_message
from pipeline.statistics import bootstrap_interval, interquartile_mean
from pipeline.task.artifacts import Table, read_table
from pipeline.task.check import check_params
from pipeline.task.files import TaskFiles

COMMAND = "python -m benchmarks.reliability"
STAGES = ("rollout", "train", "evaluate")


class RunCriterion(NamedTuple):
    """The threshold that a run must reach."""

    threshold: float
    modes: tuple[str, ...]  # greedy, sampled; or `probability_1` for the policy itself


BOTH = ("greedy", "sampled")
CRITERIA = {
    "bandit": RunCriterion(0.8, ("probability_1",)),
    "cartpole": RunCriterion(475, BOTH),
    "inverted_pendulum": RunCriterion(950, BOTH),
    "pendulum": RunCriterion(-200, ("greedy",)),
    "acrobot": RunCriterion(-84, ("greedy",)),
    "mountain_car_continuous": RunCriterion(90, ("greedy",)),
    # Robots: the best that is published for REINFORCE at 3 M env steps (docs/results.md), and for
    # Box2D the return at which a task counts as solved.
    "hopper": RunCriterion(800, BOTH),
    "half_cheetah": RunCriterion(884, BOTH),
    "walker2d": RunCriterion(460, BOTH),
    "swimmer": RunCriterion(51, BOTH),
    "ant": RunCriterion(475, BOTH),
    "reacher": RunCriterion(-10.5, BOTH),
    "inverted_double_pendulum": RunCriterion(1060, BOTH),
    "humanoid": RunCriterion(438, BOTH),
    "lunar_lander": RunCriterion(200, BOTH),
    "lunar_lander_continuous": RunCriterion(200, BOTH),
    "bipedal_walker": RunCriterion(300, BOTH),
}


def measure_reliability(task: str, params: Path, num_runs: int) -> list[dict[str, Any]]:
    """Measure a task; return a row for each mode, with `values` and `env_steps` by run.

    Raises:
        UserError: If a stage fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_params(params, folder, num_workers=None, num_runs=num_runs)
        for stage in STAGES:
            run_stage_in(folder, stage, task)
        files = TaskFiles(folder / "data" / task)
        curve = read_table(files.learning_curve, ["run", "num_env_steps"])
        evaluation = read_table(files.evaluation, ["run", "mode", "episode_return"])
        distribution = read_table(files.action_distribution, ["run", "num_episodes"])
    env_steps = [int(curve["num_env_steps"][curve["run"] == r].max()) for r in range(num_runs)]
    criterion = CRITERIA[task]
    return [
        {
            "task": task,
            "mode": mode,
            "threshold": criterion.threshold,
            "values": _final_values(mode, evaluation, distribution),
            "env_steps": env_steps,
        }
        for mode in criterion.modes
    ]


def _final_values(mode: str, evaluation: Table, distribution: Table) -> list[float]:
    if mode == "probability_1":
        runs, values = distribution["run"], distribution[mode]
        return [float(values[runs == run][-1]) for run in np.unique(runs)]
    return means_of_runs(evaluation, mode, "episode_return").tolist()


def table_row(row: dict[str, Any]) -> list[str]:
    """Format a row of the table."""
    values = np.array(row["values"])
    reached = int((values >= row["threshold"]).sum())
    share = stats.binomtest(reached, len(values)).proportion_ci(method="wilson")
    interval = bootstrap_interval(values)
    bounds = f" [{interval.low:.4g}, {interval.high:.4g}]" if interval else ""
    return [
        *(row["task"], row["mode"], f"{row['threshold']:g}"),
        f"{reached} of {len(values)} [{share.low:.0%}, {share.high:.0%}]",
        f"{interquartile_mean(values):.4g}{bounds}",
        *(f"{values.min():.4g}", f"{max(row['env_steps']):,}"),
    ]


def main(arguments: list[str] | None = None) -> None:
    """Print a table; write the measurements after each task if `--json` is given."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "tasks",
        nargs="*",
        metavar="TASK",
        help="default: all tasks in the file for which this benchmark defines a threshold",
    )
    parser.add_argument(
        "--runs", type=count, default=20, help="runs of each task; default: %(default)s"
    )
    add_params(parser)
    report.add_json(parser)
    options = parser.parse_args(arguments)
    with exit_with_message(COMMAND):
        known = [task for task in check_params(options.params).tasks if task in CRITERIA]
        unknown = sorted(set(options.tasks) - set(known))
        if unknown or not known:
            received = ", ".join(unknown) or f"none of them in {options.params}"
            parser.error(f"expected some of {', '.join(known or CRITERIA)}, received {received}")
        tasks: Sequence[str] = options.tasks or known
        rows = []
        for task in tqdm(tasks, unit=" tasks", disable=not sys.stderr.isatty()):
            rows += measure_reliability(task, options.params, options.runs)
            report.write_measurements(options.json, COMMAND, rows)  # all tasks may take hours
        headers = ["task", "mode", "threshold", "runs that reach it", "interquartile mean"]
        headers += ["worst run", "max env steps"]
        print(report.aligned_table(headers, list(map(table_row, rows))))


if __name__ == "__main__":
    main()
