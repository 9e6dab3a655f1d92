"""The search for parameters, with made-up returns instead of training."""

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

from pipeline.task.errors import UserError
from pipeline.task.task import load_task
from pipeline.trials.candidates import Candidate, RunEnded, RunOutcome
from pipeline.trials.search import importances, open_search
from tests.pipeline.small_task import BANDIT, write_params

RANGES: dict[str, Any] = {
    "learning_rate": {"low": 0.001, "high": 1.0, "log": True},
    "gamma": {"low": 0.5, "high": 1.0},
    "baseline": ["none", "leave_one_out"],
}
NUM_RUNS = 3


class Killed(Exception):  # noqa: N818
    """Stands for a kill of the process."""


def outcome(params, run):
    """Return a made-up outcome: best at a learning rate of 0.1; diverged above 0.8."""
    rate = params.train.learning_rate
    if rate > 0.8:
        return None
    value = -abs(math.log10(rate) + 1) + 0.01 * run
    return RunOutcome(value, value - params.train.gamma)


def search(folder: Path, num_candidates: int, kill_after: int = 10**9) -> list[Candidate]:
    """Search in a file of a folder; raise Killed when a number of jobs has been performed."""
    task = load_task(write_params(folder, bandit=BANDIT), "bandit")
    performed = 0

    def perform(jobs, report):
        nonlocal performed
        for index, job in enumerate(jobs):
            if performed == kill_after:
                raise Killed
            performed += 1
            report(index, None)
            report(index, RunEnded(outcome(job.params, job.run)))
        return [None] * len(jobs)

    with open_search(folder / "bandit.db", "name", task, RANGES, NUM_RUNS) as opened:
        opened.run(num_candidates, perform, lambda: None, lambda candidates: None)
        return opened.candidates()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return search(tmp_path_factory.mktemp("whole"), 25)


def test_a_search_finds_the_best_value_and_stops_bad_ones_early(found):
    assert len(found) == 25
    best = max(found, key=lambda c: (len(c.runs), c.score(1)))
    assert 0.05 < best.values["learning_rate"] < 0.2
    assert len(best.runs) == NUM_RUNS
    assert sum(len(c.runs) == NUM_RUNS for c in found) < 12
    assert sum(len(c.runs) == 1 for c in found) > 8
    for candidate in found:
        assert candidate.runs == [
            outcome(load(candidate), run) for run in range(len(candidate.runs))
        ]


def load(candidate):
    """Return the parameters of a candidate, as far as `outcome` reads them."""

    class Params:
        class train:  # noqa: N801
            learning_rate = candidate.values["learning_rate"]
            gamma = candidate.values["gamma"]

    return Params


def test_values_have_three_digits_and_the_first_are_those_of_the_task(found):
    assert found[0].values == {"learning_rate": 0.05, "gamma": 1.0, "baseline": "leave_one_out"}
    for candidate in found:
        for name in ("learning_rate", "gamma"):
            assert candidate.values[name] == float(f"{candidate.values[name]:.3g}")
    assert {candidate.values["baseline"] for candidate in found} == {"none", "leave_one_out"}


@pytest.mark.parametrize("kill_after", [0, 3, 11, 13, 24])
def test_a_search_killed_at_any_run_goes_on_to_the_same_candidates(kill_after, tmp_path, found):
    with pytest.raises(Killed):
        search(tmp_path, 25, kill_after)
    assert search(tmp_path, 25) == found
    assert search(tmp_path, 25, kill_after=0) == found  # nothing is left to do


def test_diverged_candidates_are_stopped_and_are_no_error(tmp_path, monkeypatch):
    monkeypatch.setitem(RANGES, "learning_rate", {"low": 0.3, "high": 1.0})
    diverged = [c for c in search(tmp_path, 12) if c.diverged]
    assert diverged
    assert all(c.values["learning_rate"] > 0.8 and c.runs == [None] for c in diverged)


def test_the_parameter_that_matters_is_the_important_one(found):
    shares = importances(found, RANGES)
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.__getitem__) == "learning_rate"


def test_a_combination_that_is_mistaken_ends_the_search_with_a_message(tmp_path, monkeypatch):
    # 40 training episodes are no multiple of most numbers from 1 to 40.
    monkeypatch.setitem(RANGES, "episodes_per_update", {"low": 1, "high": 40})
    with pytest.raises(UserError, match=r"tune\.bandit: .*: expected a multiple of"):
        search(tmp_path, 25)


def test_a_damaged_file_is_a_users_mistake(tmp_path):
    (tmp_path / "bandit.db").write_text("no database " * 100)
    with pytest.raises(UserError, match=r"bandit\.db: expected a file that Optuna .* can read"):
        search(tmp_path, 1)
