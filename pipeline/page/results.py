"""The table of all tasks' results in Markdown, for the README."""

from collections.abc import Sequence

from pipeline.formatting import number, with_interval
from pipeline.page.inputs import TaskResult

_HEADER = (
    *("task", "environment", "policy", "baseline", "runs", "episodes each"),
    *("mean return, greedy", "sampled", "worst run, greedy / sampled"),
)


def markdown_table(results: Sequence[TaskResult]) -> str:
    """Return the table, which ends with a newline."""
    rows = [_HEADER, ["---"] * len(_HEADER), *map(_cells, results)]
    escaped = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in escaped)


def _cells(result: TaskResult) -> list[str]:
    train, metrics = result.params.train, result.metrics
    return [
        f"`{result.name}`",
        f"`{result.environment}`",
        result.policy,
        f"`{train.baseline}`",
        f"{result.params.num_runs}",
        f"{train.num_episodes:,}",
        with_interval(metrics.greedy, metrics.greedy_low, metrics.greedy_high),
        with_interval(metrics.sampled, metrics.sampled_low, metrics.sampled_high),
        f"{number(metrics.greedy_worst_run)} / {number(metrics.sampled_worst_run)}",
    ]
