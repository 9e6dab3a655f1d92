"""The start-up benchmark counts imports for the right package; no time is asserted."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from benchmarks.startup import main, seconds_of_imports

LOG = """import time: self [us] | cumulative | imported package
import time:       100 |        100 | re
import time:      2000 |       2000 |     numpy.core
import time:      1000 |       3000 |   numpy
import time:      4000 |       7000 | tensorflow
a stage's own line
import time:       300 |        300 |   tensorflow.late
import time:       500 |        800 | keras
"""


def test_a_module_counts_for_the_package_that_imports_it():
    seconds = seconds_of_imports(LOG)
    # keras is the first to import tensorflow.late.
    expected = {"other": 100e-6, "tensorflow": 7000e-6, "keras": 800e-6}
    assert {name: value for name, value in seconds.items() if value} == pytest.approx(expected)


def write_bandit_params(path, **changed):
    yaml = YAML()
    params = yaml.load(Path("params.yaml").read_text())
    params["tasks"] = {"bandit": params["tasks"]["bandit"] | changed}
    params["variance"] = {}
    yaml.dump(params, path)


def test_the_command_runs_stages(tmp_path, capsys):
    write_bandit_params(tmp_path / "params.yaml", num_runs=1)
    options = ["--params", str(tmp_path / "params.yaml"), "--json", str(tmp_path / "measured.json")]
    main(["bandit", "--stages", "rollout", *options])
    [row] = json.loads((tmp_path / "measured.json").read_text())["rows"]
    # The log is on stderr. If that were suppressed, TensorFlow's imports would be missing.
    assert row["total"] > row["imports"]["tensorflow"] > row["imports"]["pydantic"]
    assert "| rollout |" in " ".join(capsys.readouterr().out.split())


def test_a_stage_that_fails_is_one_message(tmp_path):
    write_bandit_params(tmp_path / "params.yaml", num_runs=0)
    with pytest.raises(SystemExit, match="num_runs: expected"):
        main(["bandit", "--stages", "rollout", "--params", str(tmp_path / "params.yaml")])
