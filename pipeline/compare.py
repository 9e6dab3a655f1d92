"""Compares revisions: what differs in parameters and code, and whether the returns do.

A revision is a git commit, branch or tag, an experiment of `dvc exp run`, or `workspace`. Each
interval holds for itself with 95 %: among many of equal revisions some leave out 0 by chance.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.arguments import file_to_write
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
from pipeline.process.messages import exit_with_message
from pipeline.task.artifacts import atomic_write, write_json
from pipeline.task.errors import UserError
from pipeline.task.files import TaskFiles
from pipeline.task.mistakes import expected
from pipeline.task.task import DATA

PICTURE = Path("report/compare.png")  # beside the report, but of no stage


def main(arguments: list[str] | None = None) -> None:
    """Runs the command; exits with status 2 for its arguments, else as `exit_with_message` says."""
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
    """Compares revisions of the project in the current folder.

    Args:
        names: Of the revisions, at least two and no two the same.
        tasks: Which tasks. Defaults to all that at least two of the revisions have.

    Returns:
        A comparison for each task.

    Raises:
        UserError: If a revision is unknown, if fewer than two have a task, if one has no results of
            it, or if anything that is read is damaged.
    """
    with open_revisions(names) as revisions:
        counts = Counter(task for revision in revisions for task in revision.tasks)
        shared = [task for task, count in counts.items() if count > 1]
        known = f"a task of two or more of these revisions, one of {', '.join(shared) or 'none'}"
        for task in tasks or []:
            if task not in shared:
                raise UserError(f"--task: {expected(known, task, shared)}")
        if not shared:
            each = "; ".join(f"{r.name}: {', '.join(r.tasks) or 'none'}" for r in revisions)
            raise UserError(f"expected a task of two or more of these revisions, received {each}")
        return {task: _compare_task(task, revisions) for task in tasks or shared}


def write_picture(path: Path, comparisons: Mapping[str, Comparison]) -> str:
    """Draws the learning curves; those that are the same everywhere only if all are.

    Returns:
        A line that says what was written, and where.
    """
    drawn = {task: c for task, c in comparisons.items() if c.curves}
    drawn = {task: c for task, c in drawn.items() if not _are_the_same(c)} or drawn
    if not drawn:
        return "no picture, since there is no learning curve"
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
    left_out = [task for task in comparisons if task not in drawn]
    without = f"; without {', '.join(left_out)}, where they are the same" if left_out else ""
    return f"{path}: learning curves of {', '.join(drawn)}{without}"


def _compare_task(task: str, revisions: Sequence[Revision]) -> Comparison:
    notes = [f"{r.name} has no task {task}" for r in revisions if task not in r.tasks]
    having = [revision for revision in revisions if task in revision.tasks]
    results, curves, policies = [], {}, {}
    for revision in having:
        files = TaskFiles(DATA / task)
        policy = None
        with _naming(revision, files.learning_curve):
            table = revision.learning_curve(task)
            if table is not None:
                curves[revision.name] = smooth(table)
        with _naming(revision, files.action_distribution):
            distribution = revision.action_distribution(task)
            if table is not None and distribution is not None:
                policy = policy_curve(table, distribution)
        if policy is not None:
            policies[revision.name] = policy
        with _naming(revision, files.evaluation):
            result = _result(task, revision, policy)
        results.append(result)
        notes += _notes(task, revision, has_runs=bool(result.means), has_curve=table is not None)
    code = {revision.name: revision.code(task) for revision in having}
    parameters = differing_parameters({r.name: r.parameters(task) for r in having})
    return Comparison(
        parameters,
        sorted({path for _, path in differing(code)}) if all(code.values()) else None,
        results,
        differences(
            results, environments(parameters, {r.name: r.environment(task) for r in having})
        ),
        curves,
        policies,
        notes,
    )


def _result(task: str, revision: Revision, policy: PolicyCurve | None) -> Result:
    """Collect what a revision reached, from its metrics where the episodes are lost."""
    evaluation = revision.evaluation(task)
    if evaluation is not None:
        return make_result(revision.name, evaluation, policy)
    metrics = revision.metrics(task)
    if metrics is None:
        raise ValueError(f"expected it or metrics.json, received neither; {_advice(revision)}")
    if missing := set(METRICS) - set(metrics):
        raise ValueError(f"expected it, since metrics.json has no {', '.join(sorted(missing))}")
    return Result(revision.name, revision.parameters(task).get("num_runs"), metrics, {})


def _notes(task: str, revision: Revision, has_runs: bool, has_curve: bool) -> Iterator[str]:
    """Yields what makes a revision's figures less than they seem."""
    files, name = TaskFiles(DATA / task), revision.name
    if not has_runs:
        yield f"{name}: {files.evaluation} is not in DVC's cache, shown are its metrics"
    if not has_curve:
        yield f"{name}: {files.learning_curve} is not in DVC's cache, the picture is without it"
    if not (has_runs and has_curve):
        yield f"{name}: {_advice(revision)}"
    if stages := revision.outdated(task):
        yield (
            f"{name}: params.yaml has changed since {', '.join(stages)} ran; the parameters shown "
            "are those they ran with, and `dvc repro` runs them anew"
        )
    if paths := revision.unrecorded(task):
        yield f"{name}: {', '.join(paths)}: not what the stages wrote that dvc.lock records"


def _advice(revision: Revision) -> str:
    if revision.name == WORKSPACE:
        return "`dvc repro` makes what is missing"
    return (
        f"`git checkout {revision.name}` (for an experiment `dvc exp apply`), then `dvc pull` from "
        "a remote storage or `dvc repro` brings what is missing"
    )


@contextmanager
def _naming(revision: Revision, path: Path) -> Iterator[None]:
    """Puts the revision and the file in front of what is wrong with it."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise UserError(f"{revision.name}: {path}: {error}") from error


def _are_the_same(comparison: Comparison) -> bool:
    """Tell whether the learning curves are equal, and none is missing."""
    first, *others = comparison.curves.values()
    return len(comparison.curves) == len(comparison.results) and all(
        np.array_equal(one, of_other)
        for other in others
        for one, of_other in zip(first[:3], other[:3], strict=True)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline compare", description=__doc__)
    parser.add_argument(
        "revisions",
        nargs="+",
        metavar="REV",
        help=f"two or more git revisions, experiments, or the word {WORKSPACE}",
    )
    parser.add_argument(
        "--task", action="append", help="this one only; may be given again. Default: all"
    )
    parser.add_argument(
        "--picture",
        type=file_to_write(".png"),
        default=PICTURE,
        metavar="PATH",
        help="where to write the learning curves, as PNG; default: %(default)s",
    )
    parser.add_argument(
        "--json",
        type=file_to_write(".json"),
        metavar="PATH",
        help="where to write the numbers",
    )
    return parser
