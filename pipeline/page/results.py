"""The table of all tasks' results in Markdown, for the README."""

from collections.abc import Sequence

from pipeline.formatting import with_interval
from pipeline.page.inputs import TaskResult

_HEADER = (
    *("task", "environment", "runs × episodes"),
    *("mean return, greedy", "mean return, sampled"),
)


def markdown_table(results: Sequence[TaskResult]) -> str:
    """Return the table, which ends with a newline."""
    rows = [_HEADER, ["---"] * len(_HEADER), *map(_cells, results)]
    escaped = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in escaped)


def _cells(result: TaskResult) -> list[str]:
    metrics, train = result.metrics, result.params.train
    unit = " env steps" if train.num_env_steps else ""
    cells = [
        f"{result.params.num_runs} × {train.budget.total:,}{unit}",
        with_interval(metrics.greedy, metrics.greedy_low, metrics.greedy_high),
        with_interval(metrics.sampled, metrics.sampled_low, metrics.sampled_high),
    ]
    unbroken = [cell.replace(" ", "\u00a0") for cell in cells]
    return [f"`{result.name}`", f"`{result.environment}`", *unbroken]
