"""Compare revisions: list differing parameters and code, and test whether the returns differ.

A revision is a git commit, branch or tag, an experiment of `dvc exp run`, or `workspace`. Intervals
are not corrected for multiple comparisons, so some of many may exclude 0 by chance.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.experiments.comparison import (
    METRICS,
    Comparison,
    PolicyCurve,
    Result,
    differences,
    differing,
    differing_parameters,
    environments,
    make_result,
    policy_curve,
)
from pipeline.experiments.picture import Curve, draw_comparison
from pipeline.experiments.revisions import WORKSPACE, Revision, open_revisions
from pipeline.experiments.text import LEGEND, as_json, caption, describe
from pipeline.figures.learning_curve import smooth
from pipeline.figures.style import png
from pipeline.process.arguments import file_to_write
from pipeline.process.messages import exit_with_message
from pipeline.task.artifacts import atomic_write, write_json
from pipeline.task.errors import UserError
from pipeline.task.files import TaskFiles
from pipeline.task.mistakes import expected
from pipeline.task.task import DATA

PICTURE = Path("report/compare.png")  # next to the report, but not an output of a stage


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit as `exit_with_message` does, or with status 2 for bad arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    names = options.revisions
    if len(names) < 2 or len(set(names)) < len(names):
        parser.error(f"expected two or more different revisions, received {' '.join(names)}")
    with exit_with_message(parser.prog):
        comparisons = compare(names, options.task)
        for task, comparison in comparisons.items():
            print(f"{describe(task, comparison)}\n", flush=True)
        print(LEGEND, flush=True)
        if options.json is not None:
            write_json(options.json, {task: as_json(c) for task, c in comparisons.items()})
        print(write_picture(options.picture, comparisons))


def compare(names: Sequence[str], tasks: Sequence[str] | None = None) -> dict[str, Comparison]:
    """Compare revisions of the project in the current folder.

    Args:
        names: Two or more different revisions.
        tasks: Names of tasks. Defaults to all tasks that at least two of the revisions have.

    Returns:
        A comparison for each task, by name.

    Raises:
        UserError: If a revision is unknown, fewer than two have a task, one has no results for it,
            or a file is damaged.
    """
    with open_revisions(names) as revisions:
        counts = Counter(task for revision in revisions for task in revision.tasks)
        shared = [task for task, count in counts.items() if count > 1]
        known = f"a task that two or more of these revisions have ({', '.join(shared) or 'none'})"
        for task in tasks or []:
            if task not in shared:
                raise UserError(f"--task: {expected(known, task, shared)}")
        if not shared:
            each = "; ".join(f"{r.name}: {', '.join(r.tasks) or 'none'}" for r in revisions)
            raise UserError(f"expected a task that two or more revisions have, received {each}")
        return {task: _compare_task(task, revisions) for task in tasks or shared}


def write_picture(path: Path, comparisons: Mapping[str, Comparison]) -> str:
    """Draw the learning curves. Tasks with identical curves are drawn only if all tasks are so.

    Returns:
        A line for the terminal with the path and what was drawn.
    """
    drawn = {task: c for task, c in comparisons.items() if c.curves}
    drawn = {task: c for task, c in drawn.items() if not _curves_are_identical(c)} or drawn
    if not drawn:
        return "no picture: no learning curve is available"
    figure = draw_comparison(
        {
            task: [
                Curve(name, caption(name, c), points, c.policies.get(name))
                for name, points in c.curves.items()
            ]
            for task, c in drawn.items()
        }
    )
    with atomic_write(path) as written:
        written.write_bytes(png(figure))
    omitted = [task for task in comparisons if task not in drawn]
    note = f"; identical and not drawn: {', '.join(omitted)}" if omitted else ""
    return f"{path}: learning curves of {', '.join(drawn)}{note}"


def _compare_task(task: str, revisions: Sequence[Revision]) -> Comparison:
    notes = [f"{r.name} has no task {task}" for r in revisions if task not in r.tasks]
    with_task = [revision for revision in revisions if task in revision.tasks]
    results, curves, policies = [], {}, {}
    for revision in with_task:
        files = TaskFiles(DATA / task)
        policy = None
        with _prefix_errors(revision, files.learning_curve):
            table = revision.learning_curve(task)
            if table is not None:
                curves[revision.name] = smooth(table)
        with _prefix_errors(revision, files.action_distribution):
            distribution = revision.action_distribution(task)
            if table is not None and distribution is not None:
                policy = policy_curve(table, distribution)
        if policy is not None:
            policies[revision.name] = policy
        with _prefix_errors(revision, files.evaluation):
            result = _result(task, revision, policy)
        results.append(result)
        notes += _notes(task, revision, has_runs=bool(result.means), has_curve=table is not None)
    parameters = differing_parameters({r.name: r.parameters(task) for r in with_task})
    return Comparison(
        parameters,
        _differing_code(task, with_task),
        results,
        differences(
            results, environments(parameters, {r.name: r.environment(task) for r in with_task})
        ),
        curves,
        policies,
        notes,
    )


def _differing_code(task: str, revisions: Sequence[Revision]) -> list[str] | None:
    """List the files and packages in which the code differs; None if a revision has no records.

    If DVC's cache has lost a record of code, its path stands for the files.
    """
    records = {revision.name: revision.code(task) for revision in revisions}
    if not all(records.values()):
        return None
    names = set[str]()
    for (_, path), digests in differing(records).items():
        files = {r.name: r.recorded_files(digests[r.name]) for r in revisions}
        found = {
            name: of_revision for name, of_revision in files.items() if of_revision is not None
        }
        names |= set(differing(found)) if len(found) == len(files) else {path}
    return sorted(names)


def _result(task: str, revision: Revision, policy: PolicyCurve | None) -> Result:
    """Collect the results of a revision, from metrics.json if its evaluation.csv is missing."""
    evaluation = revision.evaluation(task)
    if evaluation is not None:
        return make_result(revision.name, evaluation, policy)
    metrics = revision.metrics(task)
    if metrics is None:
        raise ValueError(
            f"expected this file or metrics.json, received neither; {_advice(revision)}"
        )
    if missing := set(METRICS) - set(metrics):
        raise ValueError(
            f"expected this file, since metrics.json has no {', '.join(sorted(missing))}"
        )
    return Result(revision.name, revision.parameters(task).get("num_runs"), metrics, {})


def _notes(task: str, revision: Revision, has_runs: bool, has_curve: bool) -> Iterator[str]:
    """Yield the caveats about a revision's results."""
    files, name = TaskFiles(DATA / task), revision.name
    if not has_runs:
        yield f"{name}: {files.evaluation} is not in DVC's cache; metrics.json is shown instead"
    if not has_curve:
        yield f"{name}: {files.learning_curve} is not in DVC's cache; the picture omits it"
    if not (has_runs and has_curve):
        yield f"{name}: {_advice(revision)}"
    if stages := revision.outdated(task):
        yield (
            f"{name}: params.yaml has changed since {', '.join(stages)} ran; the parameters shown "
            "are those of that run; `dvc repro` runs these stages again"
        )
    if paths := revision.unrecorded(task):
        yield f"{name}: changed since dvc.lock was written: {', '.join(paths)}"


def _advice(revision: Revision) -> str:
    if revision.name == WORKSPACE:
        return "`dvc repro` creates the missing files"
    if revision.name == "HEAD":
        return "`dvc repro` creates the missing files, if there are no uncommitted changes"
    return (
        f"to get these files, check out {revision.name} (an experiment: `dvc exp apply`) and run "
        "`dvc pull` or `dvc repro`"
    )


@contextmanager
def _prefix_errors(revision: Revision, path: Path) -> Iterator[None]:
    """Prefix errors with the revision and the file while the context is open."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise UserError(f"{revision.name}: {path}: {error}") from error


def _curves_are_identical(comparison: Comparison) -> bool:
    """Return whether all learning curves are identical and none is missing."""
    first, *others = comparison.curves.values()
    return len(comparison.curves) == len(comparison.results) and all(
        np.array_equal(one, another)
        for other in others
        for one, another in zip(first[:3], other[:3], strict=True)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline compare",
        usage="%(prog)s [-h] [--task TASK] [--picture FILE] [--json FILE] REV REV [REV ...]",
        description=__doc__,
    )
    parser.add_argument(
        "revisions",
        nargs="+",
        metavar="REV",
        help=f"two or more git revisions or experiments, or `{WORKSPACE}` for the current files",
    )
    parser.add_argument(
        "--task",
        action="append",
        metavar="TASK",
        help="compare only this task; can be repeated (default: all tasks)",
    )
    parser.add_argument(
        "--picture",
        type=file_to_write(".png"),
        default=PICTURE,
        metavar="FILE",
        help="where to write a PNG of the learning curves (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        type=file_to_write(".json"),
        metavar="FILE",
        help="where to write the comparison as JSON, if anywhere",
    )
    return parser
