"""Effect of the learning rate on the bandit: 1,000 runs at 0.01 and at 0.1, with two optimizers.

The arms win with probability 0.3 (A) and 0.7 (B). Each run is plain REINFORCE, as in the task
`bandit`: a softmax with a weight and a bias for each arm, and 300 episodes with an update after
each. All settings start with the same policies and use the same random numbers.
"""

import argparse
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.bandit_runs import compile_runs, initial_kernels
from pipeline.figures.style import (
    BOLD,
    COLORS,
    LINE_STYLES,
    count_axis,
    legend_below,
    new_figure,
    plural,
    png,
    styled,
)
from pipeline.process.arguments import count, file_to_write
from pipeline.process.messages import exit_with_message
from pipeline.task.artifacts import atomic_write, write_json

PROBABILITIES = (0.3, 0.7)
BETTER_ARM = 1
NUM_EPISODES = 300
# Names in params.yaml, and in the table and the figure.
OPTIMIZERS: dict[Literal["adam", "sgd"], str] = {"adam": "Adam", "sgd": "gradient ascent"}
LEARNING_RATES = (0.01, 0.1)
LEARNED, LOCKED = 0.8, 0.05  # final P(B): at least; below
SWUNG = (0.25, 0.75)  # P(B): below at some time; above in the end

_LOCKED_LINE: dict[str, Any] = {"color": COLORS[3], "linestyle": LINE_STYLES[1], "linewidth": 0.8}

Setting = tuple[Literal["adam", "sgd"], float]  # optimizer and learning rate
Curves = dict[Setting, NDArray[np.float64]]  # P(B), [episodes + 1, runs]


class Share(NamedTuple):
    """A share of the runs with its 95% Wilson interval (Wilson 1927)."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.share:.1%} [{self.low:.1%}, {self.high:.1%}]"


class Summary(NamedTuple):
    """The outcome of one setting's runs. Triples are 5%, 50% and 95% quantiles."""

    final: tuple[float, float, float]  # P(B) after the last episode
    largest_fall: tuple[float, float, float]  # of P(B) between any two episodes
    learned: Share  # final P(B) ≥ 0.8
    locked: Share  # final P(B) < 0.05: locked onto the wrong arm
    swung: Share  # P(B) < 0.25 at some time, but P(B) > 0.75 in the end


def train_settings(num_runs: int) -> Curves:
    """Train `num_runs` runs with each setting."""
    kernels = initial_kernels(num_runs, len(PROBABILITIES))
    curves: Curves = {}
    for optimizer in OPTIMIZERS:
        train = compile_runs(PROBABILITIES, kernels, optimizer, NUM_EPISODES)
        for learning_rate in LEARNING_RATES:
            distributions = train(learning_rate).distributions.astype(np.float64)
            curves[optimizer, learning_rate] = distributions[..., BETTER_ARM]
    return curves


def summarize(curves: NDArray[np.float64]) -> Summary:
    """Summarize the curves of one setting, `[episodes + 1, runs]`."""
    falls = np.max(np.maximum.accumulate(curves) - curves, axis=0)
    return Summary(
        final=_quantiles(curves[-1]),
        largest_fall=_quantiles(falls),
        learned=_share(curves[-1] >= LEARNED),
        locked=_share(curves[-1] < LOCKED),
        swung=_share((curves.min(axis=0) < SWUNG[0]) & (curves[-1] > SWUNG[1])),
    )


@styled
def draw_settings(curves: Curves) -> Figure:
    """Draw a panel for each setting: median, quantile bands, and the locked runs."""
    num_runs = next(iter(curves.values())).shape[1]
    title = f"bandit: the learning rate, {plural(num_runs, 'run')} at each"
    figure = new_figure(6.2, title)
    panels = figure.subplots(len(OPTIMIZERS), len(LEARNING_RATES), sharex=True, sharey=True)
    for panel, ((optimizer, learning_rate), values) in zip(
        panels.flat, curves.items(), strict=True
    ):
        locked = _draw_setting(panel, values)
        panel.set_title(
            f"{OPTIMIZERS[optimizer]}, learning rate {learning_rate:g}\nlocked onto arm A: {locked}"
        )
    for panel in panels[-1]:
        count_axis(panel, "training episodes per run")
    for panel in panels[:, 0]:
        panel.set_ylabel("probability of arm B")
    panels[0, 0].set_ylim(-0.02, 1.02)
    legend_below(
        figure,
        [
            Line2D([], [], color=COLORS[0], label="median", **BOLD),
            Patch(color=COLORS[0], alpha=0.5, linewidth=0, label="middle half of the runs"),
            Patch(color=COLORS[0], alpha=0.2, linewidth=0, label="middle 90%"),
            Line2D([], [], label=f"each locked run: below {LOCKED} in the end", **_LOCKED_LINE),
        ],
    )
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Print a table and draw a figure; write the numbers if `--json` is given."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.learning_rates", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--runs", type=count, default=1000, help="runs of each setting; default: %(default)s"
    )
    parser.add_argument(
        "--picture",
        type=file_to_write(".png"),
        default=Path("docs/pictures/bandit-learning_rates.png"),
        metavar="PATH",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--json", type=file_to_write(".json"), metavar="PATH", help="write the numbers to this file"
    )
    options = parser.parse_args(arguments)
    with exit_with_message(parser.prog):
        curves = train_settings(options.runs)
        summaries = {setting: summarize(values) for setting, values in curves.items()}
        print(format_summaries(summaries))
        with atomic_write(options.picture) as written:
            written.write_bytes(png(draw_settings(curves)))
        if options.json is not None:
            write_json(options.json, [_as_json(*item) for item in summaries.items()])


def format_summaries(summaries: dict[Setting, Summary]) -> str:
    """Format a line for each setting, under a header."""
    quantiles = "median [5%, 95%]"
    lines = [
        f"{'':15}  {'learning':8}  {'final P(B)':20}  {'final P(B)':22}  "
        f"{'locked: final':17}  {'swung: P(B) < 0.25,':19}  largest fall of P(B)",
        f"{'':15}  {'rate':8}  {quantiles:20}  {'≥ 0.8':22}  {'P(B) < 0.05':17}  "
        f"{'then final > 0.75':19}  {quantiles}",
    ]
    for (optimizer, learning_rate), summary in summaries.items():
        final, fall = map(_bracketed, (summary.final, summary.largest_fall))
        lines.append(
            f"{OPTIMIZERS[optimizer]:15}  {learning_rate:<8g}  {final:20}  "
            f"{summary.learned!s:22}  {summary.locked!s:17}  {summary.swung!s:19}  {fall}"
        )
    return "\n".join(lines)


def _draw_setting(panel: Axes, values: NDArray[np.float64]) -> Share:
    """Draw the curves of one setting, `[episodes + 1, runs]`; return the share of locked runs."""
    episodes = np.arange(len(values))
    low, lower, median, upper, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)
    panel.fill_between(episodes, low, high, color=COLORS[0], alpha=0.2, linewidth=0)
    panel.fill_between(episodes, lower, upper, color=COLORS[0], alpha=0.4, linewidth=0)
    panel.plot(episodes, values[:, values[-1] < LOCKED], **_LOCKED_LINE)
    panel.plot(episodes, median, color=COLORS[0], **BOLD)
    return summarize(values).locked


def _share(flags: NDArray[np.bool_]) -> Share:
    counted = stats.binomtest(int(flags.sum()), len(flags))
    interval = counted.proportion_ci(confidence_level=0.95, method="wilson")
    return Share(float(counted.statistic), float(interval.low), float(interval.high))


def _quantiles(values: NDArray[np.float64]) -> tuple[float, float, float]:
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95]).tolist()
    return low, median, high


def _bracketed(quantiles: tuple[float, float, float]) -> str:
    low, median, high = quantiles
    return f"{median:.3f} [{low:.3f}, {high:.3f}]"


def _as_json(setting: Setting, summary: Summary) -> dict[str, object]:
    optimizer, learning_rate = setting
    return {
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "final": summary.final,
        "largest_fall": summary.largest_fall,
        "learned": summary.learned._asdict(),
        "locked": summary.locked._asdict(),
        "swung": summary.swung._asdict(),
    }


if __name__ == "__main__":
    main()
