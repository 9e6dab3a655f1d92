"""The progress of training, on a terminal and in a log."""

import io
import re
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline import progress_bar as module
from pipeline.runs.checkpoints import RunCheckpoint
from pipeline.runs.progress import Progress
from pipeline.task.schema import Budget
from reinforce.records import UpdateRecord


class Stderr(io.StringIO):
    """A standard error that can still be read after it is closed."""

    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal

    def close(self):
        pass


def record(update, mean_return=-210.4):
    statistics = (mean_return, *[0.0] * 5, np.zeros(1))
    return UpdateRecord(update, 16 * (update + 1), 3200 * (update + 1), *statistics)


EPISODES = Budget("num_episodes", 4800)


def make_progress(num_runs=5, saved=None, budget=EPISODES):
    params = SimpleNamespace(train=SimpleNamespace(budget=budget))
    task: Any = SimpleNamespace(name="pendulum", params=params, is_compiled=True)
    return Progress(task, [saved] + [None] * (num_runs - 1))


@pytest.fixture
def shown(request, monkeypatch):
    """Return the output of two updates of run 2, with progress printed every 0.01 s."""
    stderr = Stderr(request.param)
    monkeypatch.setattr(module, "duplicate_stderr", lambda: stderr)
    monkeypatch.setattr(module, "SECONDS_PER_REFRESH", 0.01)
    monkeypatch.setattr(module, "SECONDS_PER_LINE", 0.01)
    progress = make_progress()
    with progress.bar:
        time.sleep(0.05)  # nothing is reported while it compiles
        progress.show(2, record(0))
        time.sleep(0.05)
        progress.show(2, record(149))
        time.sleep(0.05)
    return stderr.getvalue()


UPDATES = (
    r"run 2 \(of 5\) · 16 of 4,800 episodes · mean return −210",
    r"run 2 \(of 5\) · 2,400 of 4,800 episodes · mean return −210 · [\d,]+ steps/s",
)


@pytest.mark.parametrize("shown", [True], indirect=True)
def test_a_bar_moves_while_nothing_is_reported_and_shows_the_updates(shown):
    drawn = [line.strip() for line in re.split("[\r\n]+", shown) if line.strip()]
    assert sum(bool(re.fullmatch(r"0%\|\s+\| compiling · 00:00<\?", line)) for line in drawn) >= 3
    for update, percent in zip(UPDATES, (0, 10), strict=True):
        assert re.search(rf"\b{percent}%\|.{{10}}\| {update} · 00:00<", shown), shown


@pytest.mark.parametrize("shown", [False], indirect=True)
def test_a_log_gets_lines(shown):
    lines = [f"pendulum: {text}" for text in ("compiling", *UPDATES)]
    printed = shown.splitlines()
    assert all(any(re.fullmatch(line, other) for other in printed) for line in lines), printed
    assert all(any(re.fullmatch(line, other) for line in lines) for other in printed), printed


def test_a_budget_in_env_steps_is_never_exceeded():
    progress = make_progress(num_runs=1, budget=Budget("num_env_steps", 5000))
    progress.show(0, record(0))
    assert str(progress) == "3,200 of 5,000 env steps"
    progress.show(0, record(1))
    assert (str(progress), progress.num_env_steps) == ("5,000 of 5,000 env steps", 6400)


def test_episodes_before_a_resumption_count():
    saved = RunCheckpoint([record(9)], {})
    assert str(make_progress(saved=saved)) == "160 of 24,000 episodes (5 runs)"
    progress = make_progress(num_runs=1, saved=saved)
    assert str(progress) == "160 of 4,800 episodes"
    progress.show(0, record(4))  # from the checkpoint, reported again
    assert (str(progress), progress.num_env_steps) == ("160 of 4,800 episodes", 0)
