"""Stage `variance`: measure the gradient noise with each baseline, before and after training.

`pipeline/noise.py` does the work. It is not imported before the progress bar is shown, since it
imports TensorFlow.
"""

import pkgutil
from collections.abc import Callable

import numpy as np

from pipeline.formatting import aligned
from pipeline.process.start import start_tensorflow
from pipeline.progress_bar import ProgressBar
from pipeline.task.artifacts import Table, atomic_write, write_table
from pipeline.task.errors import UserError
from pipeline.task.schema import VarianceParams
from pipeline.task.task import Task


def variance(task: Task) -> None:
    """Measure the gradient noise with each baseline, before and after training."""
    params = task.variance
    if params is None:
        fields = ", ".join(VarianceParams.model_fields)
        raise UserError(
            f"params.yaml: variance.{task.name}: missing; expected a section with {fields}"
        )
    num_runs = min(params.num_runs, task.params.num_runs)
    with ProgressBar(task.name, "starting", 2 * num_runs) as bar:
        start_tensorflow()
        measure = pkgutil.resolve_name("pipeline.noise:measure")
        table, picture = measure(task, num_runs, params.num_batches, bar)
    write_table(task.files.variance, table)
    with atomic_write(task.files.variance_picture) as written:
        written.write_bytes(picture)
    print(
        f"{task.name}: gradient noise; runs: {num_runs}, batches per policy: "
        f"{params.num_batches}, episodes per batch: {table['num_episodes'][0]}; "
        "estimates with 95% intervals"
    )
    print(format_table(table))


def format_table(table: Table) -> str:
    """Format the table for the terminal: a line for each row, estimates with their intervals."""
    columns: dict[str, Callable[[int], str]] = {
        "policy": lambda row: str(table["policy"][row]),
        "baseline": lambda row: str(table["baseline"][row]),
        "explained": lambda row: _percent(table["explained_variance"][row]),
        "norm of mean gradient": lambda row: _interval(table, row, "squared_norm", _root),
        "total variance": lambda row: _interval(table, row, "total_variance"),
        "relative to none": lambda row: _interval(table, row, "relative_variance"),
        "signal-to-noise": lambda row: _interval(table, row, "signal_to_noise"),
        "episodes for ratio 1": lambda row: _interval(table, row, "num_episodes_for_1"),
    }
    rows = range(len(table["policy"]))
    cells = ([text(row) for text in columns.values()] for row in rows)
    return "\n".join(aligned([list(columns), *cells]))


def _interval(table: Table, row: int, name: str, function: Callable[[float], float] = float) -> str:
    value, low, high = (_number(function(table[name + end][row])) for end in ("", "_low", "_high"))
    return value if value == "–" else f"{value} [{low}, {high}]"


def _root(square: float) -> float:
    """Return the root of a squared norm; 0 if its unbiased estimate is negative."""
    return float(np.sqrt(max(square, 0.0)))


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0%}".replace("-", "−")


def _number(value: float) -> str:
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
