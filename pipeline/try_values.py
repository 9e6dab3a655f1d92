"""Train a task with several values of its parameters, and compare them. Nothing else is changed.

Names are parameters of the task's section `train` (learning_rate), or paths from the task
(policy.hidden_sizes). Values are YAML. Several names give all combinations of their values.
"""

import argparse
import pkgutil
import threading
from pathlib import Path
from types import ModuleType

from pipeline.process.arguments import add_params, file_to_write
from pipeline.process.messages import exit_with_message
from pipeline.runs.workers import LazyPrepare, perform_jobs, useful_workers
from pipeline.trials.board import Board
from pipeline.trials.events import RunEnded, RunStarted
from pipeline.trials.values import make_candidates
from reinforce.records import UpdateRecord

PICTURE = Path("report/try.png")  # next to the report, but not an output of a stage


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit as `exit_with_message` does, or with status 2 for bad arguments."""
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    with exit_with_message(parser.prog):
        candidates = make_candidates(options.params, options.task, options.values)
        tasks = [candidate.task for candidate in candidates]
        num_runs = tasks[0].params.num_runs
        prepare = LazyPrepare("pipeline.trials.run_values:prepare_runs", (tasks,))
        loading = threading.Thread(target=_load_outcome, daemon=True)
        with Board(candidates, num_runs) as board:

            def show(job: int, event: RunStarted | UpdateRecord | RunEnded) -> None:
                board.show(job, event)
                if isinstance(event, RunEnded) and loading.ident is None:
                    loading.start()

            runs = perform_jobs(
                tasks[0],
                prepare,
                len(tasks) * num_runs,
                show,
                useful_num_workers=useful_workers(tasks),
            )
            outcome = _load_outcome()
            trials = outcome.make_trials(candidates, runs)
            board.final = outcome.cells(trials, board.curves())
        print(f"\n{outcome.describe(trials, options.params)}\n", flush=True)
        print(outcome.write_picture(options.picture, trials))


def _load_outcome() -> ModuleType:
    """Import SciPy and Matplotlib, which take a second, while the remaining runs are trained."""
    pkgutil.resolve_name("scipy.stats")
    outcome: ModuleType = pkgutil.resolve_name("pipeline.trials.outcome")
    return outcome


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline try",
        usage=(
            "%(prog)s [-h] TASK NAME=VALUE[,VALUE...] [NAME=VALUE[,VALUE...] ...] [runs=N]\n"
            "                              [--params FILE] [--picture FILE]"
        ),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", metavar="TASK", help="a section of `tasks` in params.yaml")
    parser.add_argument(
        "values",
        nargs="+",
        metavar="NAME=VALUE,VALUE",
        help="a parameter and its values; runs=N: runs of each value (default: num_runs)",
    )
    add_params(parser)
    parser.add_argument(
        "--picture",
        type=file_to_write(".png"),
        default=PICTURE,
        metavar="FILE",
        help="where to write a PNG of the learning curves (default: %(default)s)",
    )
    return parser
