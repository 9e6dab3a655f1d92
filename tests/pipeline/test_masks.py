"""Masks of legal actions, from params.yaml to playing a SavedModel, and docs/masks.md."""

import copy
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from gymnasium.envs.toy_text.taxi import TaxiEnv
from ruamel.yaml import YAML

from environments.faults import EnvironmentFault
from pipeline import play
from pipeline.evaluate import evaluate
from pipeline.rollout import rollout
from pipeline.task.artifacts import read_arrays, read_table
from pipeline.task.check import check_params
from pipeline.task.errors import UserError
from pipeline.task.task import load_task
from pipeline.train import train
from pipeline.variance import variance
from tests.environments import count_to_seven
from tests.pipeline.project import REPOSITORY
from tests.pipeline.small_task import BANDIT, write_params
from tests.pipeline.test_stages import run_stages

PAGE = (REPOSITORY / "docs" / "masks.md").read_text()


def counting(**env):
    """Make a small section of params.yaml for the counting environment."""
    params = copy.deepcopy(BANDIT)
    params["num_runs"] = 1
    params["env"] = {"id": count_to_seven.ID, "action_mask": "action_mask"} | env
    params["policy"] |= {"hidden_sizes": [8], "normalize_observations": True}
    params["rollout"]["num_episodes"] = 16
    params["train"] |= {"num_episodes": 800, "episodes_per_update": 16, "baseline": "value"}
    params["evaluate"]["num_episodes"] = 20
    return params


def test_the_taxi_in_the_docs_never_takes_an_illegal_action(tmp_path, monkeypatch):
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    params = YAML(typ="safe").load(text)["taxi"]
    taken = []
    step = TaxiEnv.step

    def legal_step(self, action):
        taken.append(bool(self.action_mask(self.s)[action]))
        return step(self, action)

    monkeypatch.setattr(TaxiEnv, "step", legal_step)
    stages = (rollout, train, evaluate)
    task = run_stages(tmp_path, monkeypatch, "taxi", params, stages)
    play.main([task.name, "--episodes", "2", "--sampled"])
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/masks.md", "exec"), {})
    assert len(taken) > 500
    assert all(taken)
    episodes = read_arrays(task.files.rollouts)
    assert episodes["observations"].shape[-1] == 500 + 6
    assert np.isfinite(episodes["log_probs"]).all()


def assert_learned(task):
    # Counts begin uniformly from 0 to 3. Reaching 7 takes three steps from 0, else two: −2.25.
    curve = read_table(task.files.learning_curve, ["mean_return"])["mean_return"]
    assert curve[-10:].mean() > -2.5 > curve[:5].mean()


def test_a_compiled_program_learns_to_count(tmp_path, monkeypatch):
    stages = (rollout, train, variance)
    task = run_stages(tmp_path, monkeypatch, "task", counting(backend="compiled"), stages)
    assert_learned(task)
    noise = read_table(task.files.variance, ["total_variance"])["total_variance"]
    assert np.isfinite(noise).all()


def test_counting_is_learned_exported_and_evaluated(tmp_path, monkeypatch):
    # The environment raises an error on an illegal action.
    stages = (rollout, train, evaluate)
    task = run_stages(tmp_path, monkeypatch, "task", counting(backend="gymnasium"), stages)
    assert_learned(task)
    evaluation = read_table(task.files.evaluation, ["episode_return"])["episode_return"]
    assert set(evaluation) <= {-2.0, -3.0, -4.0}
    visited = read_table(task.files.visited, ["observation_0"])
    assert "observation_1" not in visited  # the mask is not a feature
    spec = json.loads((task.files.policy / "spec.json").read_text())
    assert spec["environment"]["action_mask"] == "action_mask"
    assert spec["observation"]["shape"] == [1]
    assert list(spec["observation_space"]["spaces"]) == ["count"]
    assert spec["action_mask"]["in"] == "observation"
    assert spec["action_mask"]["shape"] == [3]
    assert spec["signatures"]["log_prob"].startswith("observation, action_mask, action")


def test_both_backends_give_a_policy_the_same_inputs(tmp_path, monkeypatch):
    sampled = []
    for backend in ("gymnasium", "compiled"):
        folder = tmp_path / backend
        folder.mkdir()
        task = run_stages(folder, monkeypatch, "task", counting(backend=backend), (rollout,))
        weights, episodes = (
            read_arrays(task.files.initial_weights),
            read_arrays(task.files.rollouts),
        )
        rows = np.column_stack(
            [episodes[name][episodes["valid"]] for name in ("observations", "actions", "log_probs")]
        )
        sampled.append((weights, {tuple(row) for row in np.unique(rows.round(5), axis=0)}))
    for name, values in sampled[0][0].items():
        np.testing.assert_array_equal(values, sampled[1][0][name])
    assert len(sampled[0][1] & sampled[1][1]) > 10  # of the 18 legal actions in 7 counts


def test_a_compiled_mask_without_a_legal_action(tmp_path, monkeypatch):
    params = counting(backend="compiled")
    params["train"]["baseline"] = "none"
    task = run_stages(tmp_path, monkeypatch, "task", params, (rollout,))
    compiled = count_to_seven.CompiledCountToSeven
    right = compiled.action_mask

    def none_at_five(self, state):
        return right(self, state) & (state.count != 5)[:, tf.newaxis]

    monkeypatch.setattr(compiled, "action_mask", none_at_five)
    with pytest.raises(
        EnvironmentFault, match=r"^task: .*: run 0: episode \d+, step \d+: expected a"
    ):
        rollout(task)
    message = r"training stopped, .* or make sure that every mask has a legal action$"
    with pytest.raises(UserError, match=message):
        train(task)


@pytest.mark.parametrize(
    ("env", "is_compiled"),
    [
        ({}, True),
        ({"backend": "gymnasium"}, False),
        ({"kwargs": {"in_info": True}}, True),
        ({"id": "Taxi-v4"}, False),
    ],
)
def test_the_backend_of_a_task_with_a_mask(env, is_compiled, tmp_path):
    path = write_params(tmp_path, task=counting(**env))
    assert load_task(path, "task").is_compiled == is_compiled


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"action_mask": 7}, r"env.action_mask: expected the name of a part .* received 7"),
        ({"action_mask": ""}, r"env.action_mask: expected the name of a part .* received ''"),
        ({"action_mask": "legal"}, r"env: expected action_mask to name a part .*received 'legal'"),
        ({"id": "Pendulum-v1"}, r"env: expected no action_mask, since only Discrete and MultiDis"),
        (
            {"id": "Taxi-v4", "backend": "compiled"},
            r"env.backend: expected auto or gymnasium, since there is no compiled Taxi-v4",
        ),
    ],
)
def test_mistakes_in_params(env, message, tmp_path):
    path = write_params(tmp_path, task=counting(**env))
    with pytest.raises(UserError, match=rf"^{path}: tasks.task.{message}"):
        check_params(path)


def test_a_policy_without_a_mask_is_not_played_in_an_environment_with_one(tmp_path, monkeypatch):
    params = counting(backend="gymnasium", action_mask=None, kwargs={"in_info": True})
    params["train"]["num_episodes"] = 16

    monkeypatch.setattr(count_to_seven, "GOAL", 10**6)  # all actions are legal
    task = run_stages(tmp_path, monkeypatch, "task", params, (rollout, train, evaluate))
    path = task.files.policy / "spec.json"
    spec = json.loads(path.read_text())
    assert "action_mask" not in spec
    spec["environment"]["action_mask"] = "action_mask"
    path.write_text(json.dumps(spec))
    with pytest.raises(SystemExit, match="serving_default from observation and action_mask to act"):
        play.main(["task", "--episodes", "1"])
