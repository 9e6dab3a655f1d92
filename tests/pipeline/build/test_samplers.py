"""Rollout and training in a compiled and in a Gymnasium environment."""

import copy

import numpy as np
import pytest

from environments.compiled import registry
from pipeline.build import samplers
from pipeline.evaluate import evaluate
from pipeline.rollout import rollout
from pipeline.task.artifacts import read_arrays, read_json, read_table
from pipeline.task.errors import UserError
from pipeline.task.task import load_task
from pipeline.train import train
from tests.pipeline.small_task import BANDIT, write_params
from tests.pipeline.test_stages import run_stages


def section(env_id, backend, **train):
    params = copy.deepcopy(BANDIT)
    params["env"] = {"id": env_id, "backend": backend}
    params["train"] |= train
    return params


@pytest.mark.parametrize(
    ("env_id", "backend", "is_compiled"),
    [
        ("CartPole-v1", "auto", True),
        ("CartPole-v1", "compiled", True),
        ("CartPole-v1", "gymnasium", False),
        ("FrozenLake-v1", "auto", False),
    ],
)
def test_a_compiled_environment_is_used_if_there_is_one_unless_params_say_otherwise(
    env_id, backend, is_compiled, tmp_path
):
    path = write_params(tmp_path, task=section(env_id, backend))
    assert load_task(path, "task").is_compiled == is_compiled


def test_a_compiled_environment_without_a_keyword_argument_is_not_used(tmp_path):
    params = section("Pendulum-v1", "auto")
    for kwargs, is_compiled in [({"g": 9.8}, True), ({"render_mode": None}, False)]:
        params["env"]["kwargs"] = kwargs
        task = load_task(write_params(tmp_path, task=params), "task")
        assert task.is_compiled == is_compiled


@pytest.mark.parametrize(("stage", "num_episodes"), [(rollout, 4), (train, 2)])
def test_episodes_that_memory_cannot_hold_are_a_mistake_of_the_user(
    stage, num_episodes, tmp_path, monkeypatch
):
    params = section("CartPole-v1", "compiled", episodes_per_update=2, num_episodes=4)
    params["env"]["max_episode_steps"] = 10
    params["rollout"]["num_episodes"] = 4
    task = run_stages(tmp_path, monkeypatch, params=params, stages=(rollout,))
    # A step has 4 floats of observation, an int64 action, a reward and a log-probability.
    memory = num_episodes * 10 * samplers.COPIES_OF_EPISODES * 32
    monkeypatch.setattr(samplers, "_physical_memory", lambda: memory)
    stage(task)
    monkeypatch.setattr(samplers, "_physical_memory", lambda: memory - 1)
    message = (
        "^task: expected env.max_episode_steps of at most 9, since a compiled environment .* of "
        f"{num_episodes} episodes, about 128 bytes a step, received 10; env.backend: gymnasium"
    )
    with pytest.raises(UserError, match=message):
        stage(task)


def test_env_steps_are_numbered_with_32_bits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(samplers, "_physical_memory", lambda: 2**50)
    params = section("CartPole-v1", "compiled", episodes_per_update=2, num_episodes=2)
    params["env"]["max_episode_steps"] = 2**30
    params["rollout"]["num_episodes"] = 2
    task = load_task(write_params(tmp_path, task=params), "task")
    message = (
        "^task: expected .* at most 1,073,741,823, since a compiled environment numbers the steps "
        "of 2 episodes with 32-bit integers, received 1,073,741,824"
    )
    with pytest.raises(UserError, match=message):
        rollout(task)


def test_training_with_every_option_improves_the_policy_and_is_reproducible(tmp_path, monkeypatch):
    params = section("CartPole-v1", "compiled", baseline="value", normalize_advantages=True)
    params["train"] |= {"num_episodes": 160, "episodes_per_update": 4, "learning_rate": 0.01}
    params["policy"] = {"hidden_sizes": [16], "activation": "tanh", "normalize_observations": True}
    files = run_stages(tmp_path, monkeypatch, params=params, stages=(rollout, train)).files
    written = {
        path: path.read_bytes()
        for path in (files.rollouts, files.final_weights, files.learning_curve)
    }
    curve = read_table(files.learning_curve, ["run", "num_env_steps", "mean_return"])
    assert len(curve["run"]) == 2 * 40
    run_0 = curve["run"] == 0
    # The reward is 1 per step, so an update has as many steps as its 4 episodes have return.
    steps = np.diff(curve["num_env_steps"][run_0], prepend=0)
    np.testing.assert_allclose(steps, 4 * curve["mean_return"][run_0])
    count = read_arrays(files.final_weights)["normalization/count"]
    np.testing.assert_array_equal(count, [curve["num_env_steps"][r][-1] for r in (run_0, ~run_0)])
    stages = (rollout, train, evaluate)
    task = run_stages(tmp_path, monkeypatch, params=params, stages=stages)
    for path, content in written.items():
        assert path.read_bytes() == content
    # In the Gymnasium environment, the sampled policy performs as it did at the end of training.
    metrics = read_json(task.files.metrics, ["task"])["task"]
    last = np.mean([curve["mean_return"][r][-5:].mean() for r in (run_0, ~run_0)])
    assert 0.5 * last < metrics["sampled"] < 2 * last
    assert metrics["sampled"] > 2 * curve["mean_return"][0]


def test_evaluation_does_not_use_the_compiled_environment(tmp_path, monkeypatch):
    params = section("Bandit-v0", "compiled")
    task = run_stages(tmp_path, monkeypatch, params=params, stages=(rollout, train))
    monkeypatch.setattr(registry, "_registry", {})
    evaluate(task)


def test_a_compiled_environment_with_different_spaces_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_registry", {})
    registry.register("Bandit-v0", "environments.compiled.cartpole:CompiledCartPole")
    with pytest.raises(UserError, match="task: expected a compiled environment that can replace"):
        run_stages(tmp_path, monkeypatch, params=section("Bandit-v0", "auto"), stages=(rollout,))
