"""The progress of the runs of several values: a table that a terminal updates.

V is the number of values, R of runs of each, C of characters in a learning curve.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.formatting import aligned, number
from pipeline.trials.events import RunEnded, RunStarted
from pipeline.trials.values import Candidate
from reinforce.records import UpdateRecord

BARS = "▁▂▃▄▅▆▇█"
MAX_CHARACTERS = 32  # of a learning curve
REFRESHES_PER_SECOND = 4


class Board:
    """A table with a row for each value, filled while the context is open.

    If stdout is not a terminal, it has a line for each value when that is finished, and the final
    table.

    Args:
        candidates: The V values.
        num_runs: R, the number of runs of each value.
    """

    def __init__(self, candidates: Sequence[Candidate], num_runs: int) -> None:
        self.final: list[list[str]] | None = None  # the cells that replace those of the progress
        self._candidates = candidates
        self._activity = "starting TensorFlow"
        self._started = time.monotonic()
        size = (len(candidates), num_runs)
        self._num_episodes = np.zeros(size, int)
        self._last_returns = np.full(size, np.nan)  # of the last update so far
        self._final_returns = np.full(size, np.nan)
        self._is_finished = np.zeros(size, bool)
        self._sums = np.zeros((len(candidates), MAX_CHARACTERS))  # [V, C] of mean returns
        self._counts = np.zeros((len(candidates), MAX_CHARACTERS), int)  # [V, C] of updates
        self._console = Console()
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._is_live:
            live = Live(
                console=self._console,
                get_renderable=self._render,
                refresh_per_second=REFRESHES_PER_SECOND,
            )
            self._stack.enter_context(live)
            # Ctrl-C may end the process at once, without showing the cursor again.
            self._console.show_cursor(True)
        return self

    def __exit__(
        self, *exception: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        self._stack.close()
        if not self._is_live and self.final is not None:
            print("\n".join(aligned(self.final)), flush=True)

    def show(self, job: int, value: RunStarted | UpdateRecord | RunEnded) -> None:
        """Show an event of a job; see `prepare_runs`."""
        at = divmod(job, self._is_finished.shape[1])
        index = at[0]
        match value:
            case RunStarted():
                if not self._num_episodes[index].any():
                    self._activity = "compiling"
            case UpdateRecord():
                self._activity = "training"
                self._num_episodes[at] = value.num_episodes
                self._last_returns[at] = value.mean_return
                params = self._candidates[index].task.params.train
                num_characters = min(params.num_updates or MAX_CHARACTERS, MAX_CHARACTERS)
                budget = params.budget
                character = (budget.spent(value) - 1) * num_characters // budget.total
                self._sums[index, character] += value.mean_return
                self._counts[index, character] += 1
            case RunEnded():
                self._is_finished[at] = True
                if value.final_return is not None:
                    self._final_returns[at] = value.final_return
                if not self._is_live and self._is_finished[index].all():
                    print(self._line(index), flush=True)

    def curves(self) -> list[str]:
        """Draw the learning curve of each value, a mean over its runs so far, on a common scale."""
        means = np.full(self._sums.shape, np.nan)
        np.divide(self._sums, self._counts, out=means, where=self._counts > 0)
        return bars(means)

    def _cells(self) -> list[list[str]]:
        """Return the head and the rows of the table."""
        rows = [[*self._candidates[0].values, "runs", "episodes", "mean return", "learning curve"]]
        num_runs = self._is_finished.shape[1]
        for index, (candidate, curve) in enumerate(
            zip(self._candidates, self.curves(), strict=True)
        ):
            seen = self._last_returns[index][~np.isnan(self._last_returns[index])]
            mean = number(float(seen.mean())) if seen.size else ""
            if self._num_diverged(index):
                mean = f"diverged ({self._num_diverged(index)})"
            rows.append(
                [
                    *candidate.values.values(),
                    f"{self._is_finished[index].sum()} of {num_runs}",
                    f"{self._num_episodes[index].sum():,}",
                    mean,
                    curve,
                ]
            )
        return rows

    def _num_diverged(self, index: int) -> int:
        return int((self._is_finished[index] & np.isnan(self._final_returns[index])).sum())

    def _line(self, index: int) -> str:
        """Describe a value whose runs are finished."""
        num_diverged, num_runs = self._num_diverged(index), self._is_finished.shape[1]
        text = f"mean return {number(float(self._final_returns[index].mean()))}"
        if num_diverged:
            text = f"{num_diverged} of {num_runs} runs diverged"
        return f"{self._candidates[index].label}: {text}"

    def _render(self) -> Table | Group:
        cells = self.final or self._cells()
        table = Table(*cells[0], box=None, padding=(0, 2, 0, 0), header_style="bold")
        for row in cells[1:]:
            table.add_row(*map(Text, row))
        if self.final:
            return table
        seconds = time.monotonic() - self._started
        return Group(table, Text(f"{self._activity} · {seconds:.0f} s", style="dim"))


def bars(values: NDArray[np.float64]) -> list[str]:
    """Draw each row of values as a line of bars, all on the same scale, NaN as a space.

    Args:
        values: `[V, C]`.
    """
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
    levels = (values - low) / ((high - low) or 1) * (len(BARS) - 1)
    return [
        "".join(" " if np.isnan(level) else BARS[round(level)] for level in row).rstrip()
        for row in levels
    ]
