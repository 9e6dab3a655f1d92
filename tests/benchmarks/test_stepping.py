"""The benchmark of the Gymnasium path measures each part; no time is asserted."""

import json

import pytest

from benchmarks.stepping import Stopwatch, main


def test_a_stopwatch_counts_calls_that_fail_too(monkeypatch):
    clock = iter([1.0, 3.0, 10.0, 14.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    stopwatch = Stopwatch()
    assert stopwatch.timed(lambda a, *, b: a + b)(1, b=2) == 3
    assert stopwatch.seconds == 2.0
    with pytest.raises(ZeroDivisionError):
        stopwatch.timed(lambda: 1 // 0)()
    assert stopwatch.seconds == 6.5


def test_the_command_measures_all_parts(tmp_path, capsys):
    path = tmp_path / "measured.json"
    arguments = ["--episodes", "2", "--seconds", "0.01", "--json", str(path)]
    main(["CartPole-v1", *arguments])
    rows = json.loads(path.read_text())["rows"]
    cases = [[row.pop(key) for key in ("environment_id", "policy", "num_episodes")] for row in rows]
    assert cases == [["CartPole-v1", "untrained", 2], ["CartPole-v1", "balancing", 2]]
    for row in rows:
        assert set(row) == {"environment_us", "policy_us", "bookkeeping_us"}
        assert min(row.values()) > 0
    header, _, *lines = capsys.readouterr().out.splitlines()
    first_cells = [[cell.strip() for cell in line.split("|")[1:4]] for line in (header, *lines)]
    assert first_cells == [
        ["environment", "policy", "episodes"],
        ["CartPole-v1", "untrained", "2"],
        ["CartPole-v1", "balancing", "2"],
    ]
