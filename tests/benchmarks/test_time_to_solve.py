"""The benchmark runs and reports; no time is asserted."""

import json

import pytest

from benchmarks.time_to_solve import main


@pytest.mark.parametrize(
    ("task", "per_update"),
    [("cartpole", 8), pytest.param("pendulum", 16, marks=pytest.mark.slow)],
)
def test_it_counts_until_a_run_is_abandoned(tmp_path, capsys, task, per_update):
    path = tmp_path / "measured.json"
    main([task, "--runs", "1", "--max-env-steps", "300", "--json", str(path)])
    [measured] = json.loads(path.read_text())["rows"]
    [run] = measured["runs"]
    assert not run["solved"]
    assert run["env_steps"] >= 300
    assert run["episodes"] % per_update == 0
    assert measured["start"] > 0 < measured["compilation"]
    printed = capsys.readouterr().out
    assert printed.splitlines()[2].split("|")[-2].strip() == "not solved"
    assert f"{task}: " in printed.splitlines()[-1]
    assert " in 0 of 1 runs; median " in printed


def test_an_unknown_task_is_one_message(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["mountaineering"])
    assert "expected some of cartpole, inverted_pendulum, pendulum" in capsys.readouterr().err
