"""Every kind of action and observation space, from learning to playing a SavedModel."""

import copy
import json

import numpy as np
import pytest

from pipeline import play
from pipeline.evaluate import evaluate
from pipeline.plot import plot
from pipeline.rollout import rollout
from pipeline.task.artifacts import read_table
from pipeline.train import train
from pipeline.variance import variance
from tests.pipeline.small_task import BANDIT
from tests.pipeline.test_stages import run_stages

MADE_UP = "tests.environments.made_up"
SQUASHED = {"bounded_actions": "squash", "standard_deviation": "state_dependent"}


def section(env, policy=None, **train):
    """Make a small section of params.yaml."""
    params = copy.deepcopy(BANDIT)
    params["num_runs"] = 1
    params["env"] = {"backend": "gymnasium"} | env
    params["policy"] |= policy or {}
    params["rollout"]["num_episodes"] = 16
    params["train"] |= {"num_episodes": 16, "episodes_per_update": 8, "baseline": "per_step"}
    params["train"] |= train
    params["evaluate"]["num_episodes"] = 4
    return params


LEARNED = {
    "RepeatDiscrete-v0": {},
    "RepeatMultiDiscrete-v0": {},
    "RepeatMultiDiscreteOfNumbers-v0": {"normalize_observations": True, "hidden_sizes": [16]},
    "RepeatMultiBinary-v0": {},
    "RepeatBox-v0": {"normalize_observations": True},
    "RepeatBox-v0, squashed": {"normalize_observations": True, **SQUASHED},
}


@pytest.mark.parametrize("name", LEARNED)
def test_learns_in_every_space(name, tmp_path, monkeypatch):
    # The best policy repeats the observation, for a reward of 1 in each of 3 steps.
    params = section(
        {"id": f"{MADE_UP}:{name.partition(',')[0]}"},
        LEARNED[name],
        num_episodes=60 * 16,
        episodes_per_update=16,
        learning_rate=0.1,
    )
    task = run_stages(tmp_path, monkeypatch, params=params, stages=(rollout, train))
    curve = read_table(task.files.learning_curve, ["mean_return"])["mean_return"]
    assert curve[0] < 2
    assert 3 - curve[-5:].mean() < 0.5 * (3 - curve[0])


SECTIONS = {
    "FrozenLake-v1": section({"id": "FrozenLake-v1", "kwargs": {"is_slippery": False}}),
    "Blackjack-v1": section({"id": "Blackjack-v1", "max_episode_steps": 20}, baseline="value"),
    "Dict": section({"id": f"{MADE_UP}:RepeatBox-v0"}, {"normalize_observations": True}),
    "MultiBinary": section({"id": f"{MADE_UP}:RepeatMultiBinary-v0"}),
    "MultiDiscrete": section({"id": f"{MADE_UP}:RepeatMultiDiscrete-v0"}),
    "Pendulum-v1, clipped": section({"id": "Pendulum-v1", "max_episode_steps": 20}),
    "Pendulum-v1, squashed": section(
        {"id": "Pendulum-v1", "max_episode_steps": 20},
        {**SQUASHED, "normalize_observations": True},
        baseline="value",
        reward_scale=0.1,
        learning_rate_schedule="linear",
    ),
}


# One task for each kind of action distribution, which also runs stages `variance` and `plot`.
ALL_STAGES = ("MultiBinary", "MultiDiscrete", "Pendulum-v1, squashed")


@pytest.mark.parametrize("name", SECTIONS)
def test_from_rollout_to_a_played_savedmodel(name, tmp_path, monkeypatch, capsys):
    fewer = (rollout, train, evaluate)
    stages = (rollout, train, variance, evaluate, plot) if name in ALL_STAGES else fewer
    task = run_stages(tmp_path, monkeypatch, "task", SECTIONS[name], stages)
    weights, curve = (
        task.files.final_weights.read_bytes(),
        task.files.learning_curve.read_bytes(),
    )
    spec = json.loads((task.files.policy / "spec.json").read_text())
    assert spec["observation"]["shape"] == [task.specification.observation_size]
    assert spec["observation"]["parts"][-1]["components"][1] == task.specification.observation_size
    (tmp_path / "params.yaml").unlink()  # the SavedModel is enough
    capsys.readouterr()
    play.main(["task", "--episodes", "2", "--sampled"])
    assert len(capsys.readouterr().out.splitlines()) >= 3  # two episodes and their mean

    again = tmp_path / "again"
    again.mkdir()
    task = run_stages(again, monkeypatch, "task", SECTIONS[name], (rollout, train))
    assert task.files.final_weights.read_bytes() == weights
    assert task.files.learning_curve.read_bytes() == curve
    assert np.isfinite(read_table(task.files.learning_curve, ["loss"])["loss"]).all()
