"""The table that shows the progress of several values."""

import numpy as np
import pytest
from rich.console import Console

from pipeline.trials.board import Board, bars
from pipeline.trials.events import RunEnded, RunStarted
from pipeline.trials.values import make_candidates
from reinforce.records import UpdateRecord
from tests.pipeline.small_task import BANDIT, write_params


def test_bars_have_a_common_scale():
    # From 0 to 7, each level is one bar higher.
    assert bars(np.array([[0.0, 1, 2], [7, 6, np.nan]])) == ["▁▂▃", "█▇"]
    assert bars(np.full((1, 2), np.nan)) == [""]
    assert bars(np.full((1, 2), 3.0)) == ["▁▁"]


def update(number, mean_return):
    num_episodes = 4 * (number + 1)
    return UpdateRecord(number, num_episodes, 0, mean_return, 0, 0, 0, 0, 0, np.zeros(1))


@pytest.fixture
def board(tmp_path):
    """Show the first of two values as finished, the second in its first run of two."""
    path = write_params(tmp_path, bandit=BANDIT)  # 10 updates of 4 episodes
    board = Board(make_candidates(path, "bandit", ["learning_rate=0.1,0.2"]), 2)
    events = [(0, RunStarted()), *((0, update(i, i / 10)) for i in range(10)), (0, RunEnded(0.9))]
    events += [(1, RunStarted()), *((1, update(i, 0.5)) for i in range(10)), (1, RunEnded(0.5))]
    events += [(2, RunStarted()), (2, update(0, 1.4))]
    with board:
        for job, event in events:
            board.show(job, event)
    return board


def shown(board):
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(board._render())
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_terminal_shows_the_progress_of_each_value(board):
    # The first curve, the mean of i / 10 and 0.5, goes from 0.25 to 0.7. With 8 levels from 0.25 to
    # 1.4, it reaches level 7 · 0.45 / 1.15 = 2.7, rounded to 3, above the lowest.
    *lines, activity = shown(board)
    assert lines == [
        "learning_rate  runs    episodes  mean return  learning curve",
        "0.1            2 of 2  80        0.700        ▁▁▂▂▂▃▃▃▃▄",
        "0.2            0 of 2  4         1.40         █",
    ]
    assert activity.startswith("training · ")


def test_diverged_runs_are_counted(board):
    board.show(2, RunEnded(None))
    board.show(3, RunEnded(1.0))
    assert "0.2            2 of 2  4         diverged (1)  █" in shown(board)


def test_without_a_terminal_each_finished_value_has_a_line(capsys, board):
    assert capsys.readouterr().out == "learning_rate=0.1: mean return 0.700\n"
    board.show(2, RunEnded(None))
    board.show(3, RunEnded(1.0))
    assert capsys.readouterr().out == "learning_rate=0.2: 1 of 2 runs diverged\n"
