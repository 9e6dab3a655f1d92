"""The reliability benchmark, on a tiny bandit."""

import copy
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from benchmarks import reliability
from tests.pipeline.small_task import BANDIT, write_params


def test_a_row_counts_the_runs_that_reach_the_threshold():
    row = {"task": "cartpole", "mode": "greedy", "threshold": 475.0}
    row |= {"values": [500.0] * 3 + [474.9], "env_steps": [1000, 3000, 2000, 1500]}
    # Wilson's interval for 3 of 4: 0.3006 to 0.9544.
    *names, share, mean, worst, steps = reliability.table_row(row)
    assert names == ["cartpole", "greedy", "475"]
    assert share == "3 of 4 [30%, 95%]"
    assert mean.startswith("500 [")  # the lowest and the highest are discarded
    assert (worst, steps) == ("474.9", "3,000")


@pytest.mark.slow
def test_the_command_trains_and_evaluates_more_runs(tmp_path, capsys):
    yaml = YAML()
    params = yaml.load(Path("params.yaml").read_text())
    bandit = params["tasks"]["bandit"]
    bandit["train"]["num_episodes"] = 8
    bandit["evaluate"]["num_episodes"] = 2
    params["tasks"], params["variance"] = {"bandit": bandit}, {}
    yaml.dump(params, tmp_path / "params.yaml")
    path = tmp_path / "measured.json"
    options = ["--runs", "2", "--params", str(tmp_path / "params.yaml"), "--json", str(path)]
    reliability.main(options)
    [row] = json.loads(path.read_text())["rows"]
    assert row["env_steps"] == [8, 8]
    assert all(0.4 < probability < 0.6 for probability in row["values"])
    assert "0 of 2 [0%, 66%]" in capsys.readouterr().out


def test_tasks_without_a_threshold_are_skipped(tmp_path, capsys, monkeypatch):
    measured = []

    def measure(task, *_):
        measured.append(task)
        return []

    monkeypatch.setattr(reliability, "measure_reliability", measure)
    path = write_params(tmp_path, mine=BANDIT, bandit=copy.deepcopy(BANDIT))
    reliability.main(["--params", str(path)])
    assert measured == ["bandit"]
    with pytest.raises(SystemExit, match="2"):
        reliability.main(["--params", str(write_params(tmp_path, mine=BANDIT))])
    assert f"received none of them in {path}" in capsys.readouterr().err


def test_an_unknown_task_is_one_message(capsys):
    with pytest.raises(SystemExit, match="2"):
        reliability.main(["mountaineering"])
    assert "expected some of bandit, cartpole," in capsys.readouterr().err
