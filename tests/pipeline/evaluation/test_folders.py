"""The folder of an exported policy: whether it holds the expected policy."""

import copy
import json

import pytest

from pipeline.description import describe_policy
from pipeline.digests import folder_digests
from pipeline.evaluation.folders import require_matching_policy
from pipeline.task.errors import UserError
from pipeline.task.task import load_task
from tests.pipeline.small_task import BANDIT, write_params

RUN = 1


@pytest.fixture
def load(tmp_path_factory):
    """Return a function that makes a task which differs from the bandit in some sections."""

    def load(name="bandit", **sections):
        params = copy.deepcopy(BANDIT) | sections
        return load_task(write_params(tmp_path_factory.mktemp("project"), **{name: params}), name)

    return load


@pytest.fixture
def task(load):
    return load()


def write(folder, task, run, entries=()):
    """Write what `export` writes, with an empty SavedModel."""
    (folder / "spec.json").unlink(missing_ok=True)
    (folder / "saved_model.pb").touch()
    spec = describe_policy(task, run) | {"sha256": folder_digests(folder)} | dict(entries)
    (folder / "spec.json").write_text(json.dumps(spec))


def refusal(task, folder):
    with pytest.raises(UserError) as raised:
        require_matching_policy(task, RUN, folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_runs_policy_is_accepted_whatever_the_evaluation_settings(task, load, tmp_path):
    write(tmp_path, task, RUN)
    require_matching_policy(task, RUN, tmp_path)
    require_matching_policy(load(evaluate={"num_episodes": 7}), RUN, tmp_path)


@pytest.mark.parametrize(
    ("other", "run", "difference"),
    [
        ({"name": "maze"}, RUN, "task: expected \"bandit\", received 'maze'"),
        ({}, 0, "run: expected 1, received 0"),
        (
            {"env": {"id": "Bandit-v0", "kwargs": {"probabilities": [0.0, 1.0]}}},
            RUN,
            "environment.kwargs.probabilities: expected null, received [0.0, 1.0]",
        ),
        (
            {"env": {"id": "CartPole-v1"}},
            RUN,
            "environment.id: expected \"Bandit-v0\", received 'CartPole-v1'",
        ),
        (
            {"policy": {"hidden_sizes": [3], "activation": "tanh"}},
            RUN,
            "parameters.policy.hidden_sizes: expected [], received [3]",
        ),
    ],
)
def test_another_policy_is_refused(other, run, difference, task, load, tmp_path):
    write(tmp_path, load(**other), run)
    assert refusal(task, tmp_path) == (
        f"{tmp_path}/spec.json: {difference}; run `dvc repro` to update it"
    )


@pytest.mark.parametrize("value", [None, 7, "x", [], {}])
@pytest.mark.parametrize("name", ["task", "run", "environment", "parameters", "sha256"])
def test_an_entry_of_another_type_is_refused(name, value, task, tmp_path):
    write(tmp_path, task, RUN, {name: value})
    assert f"{tmp_path}/spec.json: {name}" in refusal(task, tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100_000, '{"run": ', "\xff"])
def test_a_file_without_a_json_object_is_refused(content, task, tmp_path):
    (tmp_path / "spec.json").write_text(content, "latin-1")
    assert f"{tmp_path}/spec.json: expected a JSON object" in refusal(task, tmp_path)


def test_a_file_that_differs_from_the_exported_one_is_refused(task, tmp_path):
    write(tmp_path, task, RUN)
    (tmp_path / "saved_model.pb").write_text("x")
    assert "received a missing or different saved_model.pb" in refusal(task, tmp_path)


def test_a_missing_policy_is_named(task, tmp_path):
    assert "spec.json: no such file; run `dvc repro`" in refusal(task, tmp_path)
