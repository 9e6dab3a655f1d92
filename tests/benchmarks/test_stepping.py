"""The benchmark of the Gymnasium path: that each part is what it says; no time is asserted."""

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
    main(["CartPole-v1", "--copies", "2", "--seconds", "0.01", "--json", str(path)])
    [row] = json.loads(path.read_text())["rows"]
    assert (row.pop("environment_id"), row.pop("copies")) == ("CartPole-v1", 2)
    assert set(row) == {"environment_us", "policy_us", "bookkeeping_us"}
    assert min(row.values()) > 0
    header, _, line = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in header.split("|")[1:3]] == ["environment", "copies"]
    assert [cell.strip() for cell in line.split("|")[1:3]] == ["CartPole-v1", "2"]
