"""A comparison of revisions as text for the terminal, as captions of curves, and as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from pipeline.evaluation.table import MODES
from pipeline.experiments.comparison import (
    HIGH,
    LOW,
    MEAN,
    WORST,
    Comparison,
    Difference,
    Result,
    Verdict,
    measures,
)
from pipeline.formatting import aligned, number
from pipeline.statistics import MIN_RUNS

LEGEND = "Returns: interquartile mean over runs of each run's mean return [95% bootstrap interval]."
MAX_NAMED = 4  # parameters or files; the rest are only counted
MAX_IN_CAPTION = 2
NONE = "—"

_WORDS: dict[Verdict, str] = {
    "same": "identical in every run",
    "higher": "higher",
    "lower": "lower",
    "not told apart": "inconclusive (the interval includes 0)",
    "too few runs": f"inconclusive (fewer than {MIN_RUNS} runs)",
    "single run": "no interval (a single run)",
    "runs missing": "no interval (the returns of each run are missing)",
    "other environment": "not compared (the environments differ)",
}


def describe(task: str, comparison: Comparison) -> str:
    """Describe a task: a line on what differs, a table, a sentence per pair, and notes."""
    lines = [f"{task}: {_parameters(comparison)}; {_code(comparison)}", ""]
    lines += [f"  {line}" for line in _table(comparison)]
    if not _is_identical(comparison):
        lines += ["", *(f"  {sentence(difference)}" for difference in comparison.differences)]
    if comparison.notes:
        lines += ["", *(f"  {note}" for note in comparison.notes)]
    return "\n".join(lines)


def sentence(difference: Difference) -> str:
    """Describe the difference of a pair: `b minus a, greedy: +1.5 [+0.5, +2.5], higher`."""
    words = _WORDS[difference.verdict]
    if difference.verdict != "same" and difference.difference is not None:
        interval = ""
        if difference.interval is not None:
            low, high = (_signed(float(end)) for end in difference.interval)
            interval = f" [{low}, {high}]"
        words = f"{_signed(difference.difference)}{interval}, {words}"
    return f"{difference.second} minus {difference.first}, {difference.measure}: {words}"


def caption(revision: str, comparison: Comparison) -> str:
    """Name the parameters in which a revision differs, in short: `learning_rate 0.003`.

    Sections other than `train` and `env.kwargs` stay in the names, since several sections have a
    `num_runs` or `num_episodes`.
    """
    parameters = list(comparison.parameters.items())
    lines = [
        f"{name.removeprefix('train.').removeprefix('env.kwargs.')} {_value(values[revision])}"
        for name, values in parameters[:MAX_IN_CAPTION]
    ]
    return "\n".join(lines) + ", …" * (len(parameters) > MAX_IN_CAPTION)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON, without the curves."""
    return {
        "parameters": comparison.parameters,
        "code": comparison.code,
        "results": {
            result.revision: {
                "num_runs": result.num_runs,
                **result.metrics,
                "runs": {mode: means.tolist() for mode, means in result.means.items()},
            }
            for result in comparison.results
        },
        "differences": [
            {
                "first": difference.first,
                "second": difference.second,
                "measure": difference.measure,
                "difference": difference.difference,
                "interval": difference.interval and [float(end) for end in difference.interval],
                "verdict": difference.verdict,
            }
            for difference in comparison.differences
        ],
        "notes": comparison.notes,
    }


def _parameters(comparison: Comparison) -> str:
    names = list(comparison.parameters)
    if not names:
        return "same parameters"
    return f"{_listed(names)} differ{'s' * (len(names) == 1)}"


def _code(comparison: Comparison) -> str:
    if comparison.code is None:
        return "code not recorded"
    return f"code differs in {_listed(comparison.code)}" if comparison.code else "same code"


def _is_identical(comparison: Comparison) -> bool:
    return all(difference.verdict == "same" for difference in comparison.differences)


def _table(comparison: Comparison) -> list[str]:
    """Return the lines of the table, columns aligned."""
    others = measures(comparison.results)[len(MODES) :]
    head = ["revision", *comparison.parameters, "runs"]
    head += [column for mode in MODES for column in (mode, "worst run")]
    head += others
    results = comparison.results
    if _is_identical(comparison) and not comparison.parameters:
        results = [results[0]._replace(revision="all")]
    return aligned([head, *(_row(comparison, result, others) for result in results)])


def _row(comparison: Comparison, result: Result, others: Sequence[str]) -> list[str]:
    values = [_value(of[result.revision]) for of in comparison.parameters.values()]
    row = [result.revision, *values, _value(result.num_runs)]
    for mode in MODES:
        row += [_mean(result, mode), _number(result.metrics[mode + WORST])]
    return row + [_mean(result, name) for name in others]


def _mean(result: Result, measure: str) -> str:
    mean, low, high = (_number(result.metrics[measure + end]) for end in (MEAN, LOW, HIGH))
    return mean if low == NONE else f"{mean} [{low}, {high}]"


def _listed(names: Sequence[str]) -> str:
    """Return `a`, `a and b`, or the first few names and the number of the rest."""
    shown = list(names[:MAX_NAMED])
    if len(names) > MAX_NAMED:
        shown.append(f"{len(names) - MAX_NAMED} more")
    *others, last = shown
    return f"{', '.join(others)} and {last}" if others else last


def _value(value: Any) -> str:
    if value is None:
        return NONE
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: float | None) -> str:
    return NONE if value is None else number(value)


def _signed(value: float) -> str:
    return "+" * (value > 0) + number(value)
