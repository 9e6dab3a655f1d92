"""The folder of an exported policy: a damaged one is refused."""

import json

import pytest

from pipeline.description import describe_policy
from pipeline.digests import folder_digests
from pipeline.evaluation.folders import read_policy_spec
from pipeline.task.errors import UserError
from pipeline.task.task import load_task
from tests.pipeline.small_task import BANDIT, write_params


@pytest.fixture
def task(tmp_path_factory):
    return load_task(write_params(tmp_path_factory.mktemp("project"), bandit=BANDIT), "bandit")


def write(folder, task, entries=()):
    """Write what `evaluate` exports, with an empty SavedModel."""
    (folder / "spec.json").unlink(missing_ok=True)
    (folder / "saved_model.pb").touch()
    spec = describe_policy(task, 1) | {"sha256": folder_digests(folder)} | dict(entries)
    (folder / "spec.json").write_text(json.dumps(spec))


def refusal(folder):
    with pytest.raises(UserError) as raised:
        read_policy_spec(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_an_exported_policy_is_accepted(task, tmp_path):
    write(tmp_path, task)
    assert read_policy_spec(tmp_path).environment.id == "Bandit-v0"


@pytest.mark.parametrize("value", [None, 7, "x", [], {}])
@pytest.mark.parametrize("name", ["environment", "sha256"])
def test_an_entry_of_another_type_is_refused(name, value, task, tmp_path):
    write(tmp_path, task, {name: value})
    assert f"{tmp_path}/spec.json: {name}" in refusal(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100_000, '{"run": ', "\xff"])
def test_a_file_without_a_json_object_is_refused(content, tmp_path):
    (tmp_path / "spec.json").write_text(content, "latin-1")
    assert f"{tmp_path}/spec.json: expected a JSON object" in refusal(tmp_path)


def test_a_file_that_differs_from_the_exported_one_is_refused(task, tmp_path):
    write(tmp_path, task)
    (tmp_path / "saved_model.pb").write_text("x")
    assert "received a missing or different saved_model.pb" in refusal(tmp_path)


def test_a_missing_policy_is_named(tmp_path):
    assert "spec.json: no such file; run `dvc repro`" in refusal(tmp_path)
