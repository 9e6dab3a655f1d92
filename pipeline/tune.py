"""Search for parameters of a task: train many candidates, and go on with the promising ones.

Needs Optuna, from requirements-tune.txt. Candidates are judged by training episodes of runs with
random streams that no stage uses. Repeat the command to continue a search; start it several times
to search with several processes.
"""

import argparse
import importlib.util
import pkgutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.formatting import aligned, number, with_interval
from pipeline.process.arguments import add_params, count
from pipeline.process.interruption import Interrupted
from pipeline.process.messages import exit_with_message
from pipeline.progress_bar import ProgressBar
from pipeline.runs.workers import LazyPrepare, open_workers
from pipeline.statistics import MIN_RUNS
from pipeline.task.artifacts import atomic_write
from pipeline.task.errors import UserError
from pipeline.task.seeds import Purpose, stream
from pipeline.task.task import Task, load_task
from pipeline.task.validation import load_params
from pipeline.trials.candidates import Candidate, ranked
from pipeline.trials.keeping import how_to_keep
from pipeline.trials.ranges import (
    Ranges,
    check_ranges,
    default_ranges,
    format_values,
    overrides,
    search_name,
    value_in,
)
from pipeline.trials.values import as_yaml

FOLDER = Path("tuning")
PICTURE = Path("report/tune.png")  # next to the report, but not an output of a stage
NUM_LISTED, NUM_COMMANDS = 10, 3  # of the best candidates
INSTALL = "`make setup` or `pip install --require-hashes -r requirements-tune.txt` installs it"


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit as `exit_with_message` does, or with status 2 for bad arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    with exit_with_message(parser.prog):
        if importlib.util.find_spec("optuna") is None:
            raise UserError(f"{parser.prog}: expected Optuna, which is not installed; {INSTALL}")
        task = load_task(options.params, options.task)
        ranges = load_params(options.params).tune.get(task.name) or default_ranges(task.params)
        try:
            check_ranges(task, ranges)
        except UserError as error:
            raise UserError(f"{options.params}: {error}") from error
        search = _Search(task, ranges, options.trials, options.runs)
        try:
            search.run()
        except Interrupted as error:
            print(search.summary())
            message = f"{task.name}: interrupted; the next `tune` continues the search"
            raise Interrupted(message, error.number) from error
        print(search.summary())
        if best := search.best()[:NUM_COMMANDS]:
            print("\nTo train the best with all stages, and the pipeline's own random streams:")
            for candidate in best:
                changes = overrides(task.name, candidate.values)
                print(*(f"    {line}" for line in how_to_keep(changes, options.params)), sep="\n")
        print(f"\n{search.write_picture()}")


class _Search:
    """A search while it runs, shown on the terminal.

    Args:
        task: The task.
        ranges: The searched ranges.
        num_candidates: Number of candidates, including those of earlier calls.
        num_runs: Runs of each candidate.
    """

    def __init__(self, task: Task, ranges: Ranges, num_candidates: int, num_runs: int) -> None:
        self._task, self._ranges, self._num_runs = task, ranges, num_runs
        self._num_candidates = num_candidates
        self._found: dict[int, Candidate] = {}  # number → candidate with at least one run
        self._num_updates = 0  # in this process
        self._best: Candidate | None = None
        self._bar = ProgressBar(task.name, "starting TensorFlow", num_candidates)
        self._started = time.monotonic()

    def run(self) -> None:
        """Train candidates until there are enough, with random streams that no stage uses."""
        seed = stream(self._task.seed, Purpose.TUNING, 0).generate_state(1)[0]
        task = self._task._replace(seed=int(seed))
        name = search_name(task, self._ranges, self._num_runs)
        prepare = LazyPrepare("pipeline.trials.search_run:prepare_search")
        with self._bar, open_workers(task, prepare, resumable=True) as perform:
            open_search = pkgutil.resolve_name("pipeline.trials.search:open_search")
            path = FOLDER / f"{task.name}.db"
            with open_search(path, name, task, self._ranges, self._num_runs) as search:
                self._show(search.candidates())
                search.run(self._num_candidates, perform, self._count_update, self._show)
                self._show(search.candidates())  # with those of other processes

    def best(self) -> list[Candidate]:
        """Return the candidates with all runs, the best first."""
        return ranked(self._found.values(), self._num_runs)

    def summary(self) -> str:
        """Describe the outcome: totals, the best candidates, and the task's own values."""
        best = self.best()
        lines = [
            f"{self._task.name}: {self._totals()}, candidates with all {self._num_runs} runs: "
            f"{len(best)}; {time.monotonic() - self._started:.1f} s, including start-up"
        ]
        if best:
            returns = ["final return", "worst run", "all updates"]
            head = ["", *self._ranges, "runs", *returns]
            rows = [self._row(rank, c) for rank, c in enumerate(best[:NUM_LISTED], 1)]
            lines += ["", *aligned([head, *rows]), "", LEGEND]
        if self._num_runs < MIN_RUNS:
            lines.append(f"With fewer than {MIN_RUNS} runs, intervals are much too narrow.")
        return "\n".join([*lines, *self._own(best)])

    def write_picture(self) -> str:
        """Draw the candidates; return a line for the terminal."""
        candidates = [self._found[key] for key in sorted(self._found)]
        if not candidates:
            return "no picture: no run has ended"
        draw = pkgutil.resolve_name("pipeline.trials.picture:draw_png")
        importances = pkgutil.resolve_name("pipeline.trials.search:importances")
        picture = draw(
            self._task.name,
            candidates,
            self._ranges,
            self._num_runs,
            importances(candidates, self._ranges),
        )
        with atomic_write(PICTURE) as written:
            written.write_bytes(picture)
        return f"{PICTURE}: each value against its final return, the most important first"

    def _count_update(self) -> None:
        self._num_updates += 1
        self._show_progress()

    def _show(self, candidates: list[Candidate]) -> None:
        self._found |= {candidate.number: candidate for candidate in candidates}
        self._show_progress()
        best = next(iter(self.best()), None)
        if best is not None and (self._best is None or best.values != self._best.values):
            self._best = best
            self._bar.write(
                f"{self._task.name}: best so far: {with_interval(*best.estimate())}, all updates "
                f"{number(best.score(self._num_runs)[1])}, with {format_values(best.values)}"
            )

    def _show_progress(self) -> None:
        self._bar.count = len(self._found)
        activity = f"updates: {self._num_updates:,}" if self._num_updates else "starting TensorFlow"
        self._bar.text = f"{self._totals()}, {activity}"

    def _totals(self) -> str:
        num_runs = sum(len(candidate.runs) for candidate in self._found.values())
        return f"candidates: {len(self._found)}, runs: {num_runs}"

    def _row(self, rank: int, candidate: Candidate) -> list[str]:
        return [
            str(rank),
            *map(as_yaml, candidate.values.values()),
            str(len(candidate.runs)),
            with_interval(*candidate.estimate()),
            number(min(candidate.final_returns)),
            number(candidate.score(len(candidate.runs))[1]),
        ]

    def _own(self, best: Sequence[Candidate]) -> Iterator[str]:
        """Yield a line about the values in params.yaml, if they are a candidate."""
        own = {name: value_in(self._task.params, name) for name in self._ranges}
        for candidate in self._found.values():
            if candidate.values == own:
                place = f"number {best.index(candidate) + 1}" if candidate in best else "not ranked"
                yield f"The values in params.yaml: {format_values(own)}; {place}"
                return


LEGEND = """\
final return: mean return of a run's last tenth of updates; interquartile mean over runs, with 95%
interval. The rank is by the lower end, then by the mean return of all updates, which shows who
learned sooner. The best of many candidates is partly lucky."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline tune", description=__doc__)
    parser.add_argument("task", metavar="TASK", help="a section of `tasks` in params.yaml")
    parser.add_argument(
        "--trials",
        type=count,
        default=100,
        metavar="N",
        help="candidates, including those of earlier calls (default: %(default)s)",
    )
    parser.add_argument(
        "--runs",
        type=count,
        default=5,
        metavar="N",
        help="runs of each candidate that is not stopped early (default: %(default)s)",
    )
    add_params(parser)
    return parser
