"""All stages, end to end, on small tasks in a temporary folder."""

import copy
import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.build import learners, samplers
from pipeline.description import describe_policy
from pipeline.evaluate import evaluate
from pipeline.evaluate import useful_num_workers as workers_of_evaluate
from pipeline.evaluation import run as evaluate_run
from pipeline.evaluation.export import final_returns
from pipeline.plot import plot
from pipeline.progress_bar import ProgressBar
from pipeline.rollout import rollout
from pipeline.runs.tensorboard import NAME
from pipeline.runs.workers import useful_workers
from pipeline.task.artifacts import (
    read_arrays,
    read_json,
    read_table,
    write_arrays,
    write_table,
)
from pipeline.task.errors import UserError
from pipeline.task.seeds import Purpose
from pipeline.task.task import load_task
from pipeline.train import train
from pipeline.variance import variance
from reinforce.sampling import gymnasium as sampling
from tests.pipeline.small_task import BANDIT, SEED, write_params

REPOSITORY = Path(__file__).parents[2]
STAGES = (rollout, train, variance, evaluate, plot)


def run_stages(folder, monkeypatch, name="task", params=BANDIT, stages=STAGES, **changes):
    """Run stages in `folder`, as `python -m pipeline <stage> <task>` does.

    `changes` are fields of the task.
    """
    monkeypatch.chdir(folder)
    task = load_task(write_params(folder, **{name: params}), name)._replace(**changes)
    for stage in stages:
        stage(task)
    return task


@pytest.fixture(scope="module")
def shown():
    """Collect the last text and the completed fraction of each progress bar."""
    return []


@pytest.fixture(scope="module")
def finished(tmp_path_factory, shown):
    """Run all stages on a small bandit and return its folder."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(ProgressBar, "__enter__", lambda bar: bar)
        monkeypatch.setattr(
            ProgressBar, "__exit__", lambda a, *_: shown.append((a.text, a.count / a._total))
        )
        folder = tmp_path_factory.mktemp("bandit")
        task = run_stages(folder, monkeypatch, "bandit")
    return folder / task.files.folder


@pytest.mark.usefixtures("finished")
def test_stages_show_their_progress(shown):
    expected = [
        r"sampled with 2 of 2 initial policies",
        r"run 1 \(of 2\) · 40 of 40 episodes · mean return [\d.]+ · [\d.,]+ steps/s",
        r"measured the trained policy of run 1 \(of 2\)",
        r"played sampled episodes of run 1 \(of 2\)",
    ]
    for text, (last, share) in zip(expected, shown, strict=True):
        assert re.fullmatch(text, last), last
        assert share == 1


def test_every_stage_writes_its_files(finished):
    assert {path.name for path in finished.iterdir()} == {
        "initial_weights.npz",
        "rollouts.npz",
        "final_weights.npz",
        "learning_curve.csv",
        "action_distribution.csv",
        "tensorboard",
        "variance.csv",
        "variance.png",
        "policies",
        "policy",
        "episode.csv",
        "evaluation.csv",
        "panels.json",
        "plane.csv",
        "visited.csv",
        "metrics.json",
        "film",
        "plots",
    }
    assert {path.name for path in (finished / "plots").iterdir()} == {
        "learning_curve.png",
        "evaluation.png",
        "policy.png",
    }


def test_the_learning_curve_has_a_row_for_each_update_of_each_run(finished):
    with (finished / "learning_curve.csv").open() as file:
        header = next(csv.reader(file))
    assert header == [
        "run",
        "update",
        "num_episodes",
        "num_env_steps",
        "mean_return",
        "objective",
        "loss",
        "entropy",
        "gradient_norm",
        "value_loss",
        "kept",
    ]
    curve = read_table(finished / "learning_curve.csv", header)
    assert curve["run"].tolist() == [0] * 10 + [1] * 10
    assert curve["update"].tolist() == [*range(10)] * 2
    assert not curve["kept"].any()
    # One step per episode, 4 episodes per update, γ = 1: the objective is the mean return.
    assert curve["num_episodes"].tolist() == [*range(4, 41, 4)] * 2
    assert curve["num_env_steps"].tolist() == curve["num_episodes"].tolist()
    np.testing.assert_allclose(curve["objective"], curve["mean_return"], rtol=1e-6)


def test_training_writes_tensorboard_logs(finished):
    logs = finished / "tensorboard"
    assert sorted(path.name for path in logs.iterdir()) == ["run-0", "run-1"]
    # Ten updates with six named scalars each.
    (events,) = (logs / "run-1").iterdir()
    assert events.read_bytes().count(b"mean_return") == 10


def test_the_first_update_learns_from_the_rollouts_episodes(finished):
    rewards = read_arrays(finished / "rollouts.npz")["rewards"]  # [R, B, T]
    curve = read_table(finished / "learning_curve.csv", ["update", "mean_return"])
    first = curve["mean_return"][curve["update"] == 0]
    np.testing.assert_allclose(first, rewards[:, :4, 0].mean(axis=1))


def test_the_action_distribution_goes_from_uniform_to_trained(finished):
    table = read_table(finished / "action_distribution.csv", ["run", "num_episodes"])
    assert table["num_episodes"].tolist() == [*range(0, 41, 4)] * 2
    np.testing.assert_allclose(table["probability_0"] + table["probability_1"], 1, rtol=1e-6)
    before, after = table["probability_1"][[0, 11]], table["probability_1"][[10, 21]]
    np.testing.assert_allclose(before, 0.5, atol=0.01)
    assert np.all(np.abs(after - before) > 0.02)


def test_runs_differ(finished):
    for name in ("initial_weights.npz", "final_weights.npz"):
        kernel = read_arrays(finished / name)["logits/kernel"]
        assert not np.array_equal(kernel[0], kernel[1])


def test_metrics_agree_with_the_evaluation(finished):
    metrics = json.loads((finished / "metrics.json").read_text())["bandit"]
    assert list(metrics) == [
        *(f"greedy{end}" for end in ("", "_low", "_high", "_worst_run")),
        *(f"sampled{end}" for end in ("", "_low", "_high", "_worst_run")),
        "objective",
        "objective_before",
    ]
    table = read_table(finished / "evaluation.csv", ["run", "mode", "episode_return"])
    assert len(table["run"]) == 2 * 2 * 50
    for mode in ("greedy", "sampled"):
        means = [
            table["episode_return"][(table["mode"] == mode) & (table["run"] == run)].mean()
            for run in (0, 1)
        ]
        # With two runs, nothing is trimmed: the interquartile mean is the mean.
        np.testing.assert_allclose(metrics[mode], np.mean(means), rtol=1e-5)
        np.testing.assert_allclose(metrics[f"{mode}_worst_run"], min(means), rtol=1e-5)
    rewards = read_arrays(finished / "rollouts.npz")["rewards"]
    np.testing.assert_allclose(metrics["objective_before"], rewards.mean(), rtol=1e-5)


def test_the_chosen_policy_has_the_best_last_training_episodes(finished):
    returns = final_returns(
        read_table(finished / "learning_curve.csv", ["run", "mean_return", "kept"])
    )
    chosen = json.loads((finished / "policy" / "spec.json").read_text())["run"]
    assert chosen == np.argmax(returns)
    for path in (finished / "policy").rglob("*"):
        if path.is_file():
            of_run = finished / "policies" / str(chosen) / path.relative_to(finished / "policy")
            assert path.read_bytes() == of_run.read_bytes()


def test_spec_json_describes_the_policy(finished):
    spec = json.loads((finished / "policies" / "1" / "spec.json").read_text())
    assert spec["environment"] == {"id": "Bandit-v0", "kwargs": {}, "max_episode_steps": 1}
    assert spec["action_space"] == {"type": "Discrete", "n": 2, "start": 0}
    parameters = spec["parameters"]
    assert parameters["seed"] == SEED
    for name in ("env", "policy", "train"):  # including defaults
        assert parameters[name] == parameters[name] | BANDIT[name]
    assert parameters["train"]["value"]["steps_per_update"] == 10
    assert (spec["task"], spec["run"]) == ("bandit", 1)


def test_spec_json_writes_infinite_bounds_and_arguments_as_text(tmp_path, monkeypatch):
    params = copy.deepcopy(BANDIT)
    params["env"] = {"id": "InvertedPendulum-v5", "kwargs": {"frame_skip": 2}}
    monkeypatch.chdir(tmp_path)
    task = load_task(write_params(tmp_path, task=params), "task")
    kwargs = {"frame_skip": 2, "range": (1, float("inf"))}  # as Hopper-v5 takes
    task = task._replace(specification=task.specification._replace(kwargs=kwargs))
    spec = json.loads(json.dumps(describe_policy(task, 0), allow_nan=False))
    assert spec["observation_space"]["low"] == ["-inf"] * 4
    assert spec["observation_space"]["high"] == ["inf"] * 4
    assert spec["action_space"]["low"] == [-3.0]
    assert spec["environment"]["kwargs"] == {"frame_skip": 2, "range": [1, "inf"]}


def test_final_returns_are_means_over_the_last_tenth_of_the_updates():
    # 20 updates: the last 2; run 0 ends with 18 and 19, run 1 with 38 and 39.
    kept = np.zeros(40, int)
    curve = {"run": np.repeat([0, 1], 20), "mean_return": np.arange(40.0), "kept": kept}
    np.testing.assert_array_equal(final_returns(curve), [18.5, 38.5])
    kept[[0, 30]] = 1  # the last 2 up to the kept policy: 0 alone; 29 and 30
    np.testing.assert_array_equal(final_returns(curve), [0, 29.5])


def test_the_same_parameters_give_the_same_bytes_with_any_number_of_workers(
    finished, tmp_path, monkeypatch
):
    run_stages(tmp_path, monkeypatch, "bandit", stages=(rollout,))
    task = load_task(Path("params.yaml"), "bandit")._replace(num_workers=2)
    for stage in (train, evaluate):
        stage(task)
    for name in (
        "initial_weights.npz",
        "rollouts.npz",
        "final_weights.npz",
        "learning_curve.csv",
        "action_distribution.csv",
        f"tensorboard/run-1/{NAME}",
        "episode.csv",
        "evaluation.csv",
        "plane.csv",
        "visited.csv",
        "metrics.json",
    ):
        assert (tmp_path / task.files.folder / name).read_bytes() == (finished / name).read_bytes()


@pytest.mark.parametrize(
    ("backend", "num_runs", "num_episodes", "expected"),
    [
        ("auto", 5, 800, 1),  # 2 million env steps, if all episodes last 500
        ("auto", 5, 1600, 2),
        ("auto", 1, 16, 1),
        ("gymnasium", 5, 800, None),
    ],
)
def test_workers_are_worth_starting_for_two_million_env_steps_each(
    backend, num_runs, num_episodes, expected, tmp_path, monkeypatch
):
    params = copy.deepcopy(BANDIT)
    params["env"] = {"id": "CartPole-v1", "backend": backend}
    params["num_runs"] = num_runs
    params["train"] |= {"num_episodes": num_episodes, "episodes_per_update": 16}
    params["rollout"]["num_episodes"] = 16
    write_params(tmp_path, task=params)
    monkeypatch.chdir(tmp_path)
    task = load_task(Path("params.yaml"), "task")
    assert useful_workers([task]) == expected


@pytest.mark.parametrize(
    ("backend", "num_episodes", "expected"),
    [
        ("auto", 299, 1),  # twice for 2 runs, of up to 500 steps: 598,000 env steps
        ("auto", 300, 2),
        ("auto", 1, 1),
        ("gymnasium", 1, None),
    ],
)
def test_workers_evaluate_300_000_env_steps_each(
    backend, num_episodes, expected, tmp_path, monkeypatch
):
    params = BANDIT | {"env": {"id": "CartPole-v1", "backend": backend}}
    path = write_params(tmp_path, task=params | {"evaluate": {"num_episodes": num_episodes}})
    monkeypatch.chdir(tmp_path)
    assert workers_of_evaluate(load_task(path, "task")) == expected


@pytest.mark.parametrize("best", [0, 1])
def test_each_run_is_exported_and_evaluated_separately(best, tmp_path, monkeypatch, capsys):
    # Arm 1 always wins, arm 0 never. Run 0 pulls arm 1 with probability 0.6: its mean return is 1
    # when greedy and about 0.6 when sampled (± 4 √(0.24 / 400) = 0.1). Run 1 always pulls arm 0.
    params = copy.deepcopy(BANDIT)
    params["env"]["kwargs"] = {"probabilities": [0.0, 1.0]}
    params["evaluate"]["num_episodes"] = 400
    task = run_stages(tmp_path, monkeypatch, params=params, stages=(rollout,))
    weights = {
        "logits/kernel": np.zeros((2, 1, 2), np.float32),
        "logits/bias": np.log(np.array([[0.4, 0.6], [1 - 1e-9, 1e-9]], np.float32)),
    }
    write_arrays(task.files.final_weights, weights)
    # The policy is chosen by its training returns, although run 0 evaluates better.
    returns, kept = np.array([0.5, 0.4 + 0.2 * best]), np.zeros(2, int)
    curve = {"run": np.array([0, 1]), "mean_return": returns, "kept": kept}
    write_table(task.files.learning_curve, curve)
    evaluate(task)
    assert f"policies exported; chose policies/{best}, mean return" in capsys.readouterr().out

    table = read_table(task.files.evaluation, [])
    for run, mode, expected, tolerance in [
        (0, "greedy", 1, 0),
        (0, "sampled", 0.6, 0.1),
        (1, "greedy", 0, 0),
        (1, "sampled", 0, 0),
    ]:
        returns = table["episode_return"][(table["run"] == run) & (table["mode"] == mode)]
        assert abs(returns.mean() - expected) <= tolerance
    assert read_json(task.files.policy / "spec.json", ["run"])["run"] == best
    visited = read_table(task.files.visited, ["observation_0", "probability_0", "probability_1"])
    np.testing.assert_allclose(visited["probability_1"], [0.6, 0][best], rtol=1e-5, atol=1e-6)


def test_the_objective_is_discounted(tmp_path, monkeypatch):
    params = copy.deepcopy(BANDIT)
    params["env"]["id"] = "CartPole-v1"
    params["train"] |= {"gamma": 0.5, "num_episodes": 4}
    params["evaluate"]["num_episodes"] = 5
    stages = (rollout, train, evaluate)
    task = run_stages(tmp_path, monkeypatch, params=params, stages=stages)
    # A reward of 1 at each of n steps: 1 + ½ + … = 2 (1 − ½^n).
    table = read_table(task.files.evaluation, [])
    expected = 2 * (1 - 0.5 ** table["num_steps"])
    np.testing.assert_allclose(table["discounted_return"], expected, rtol=1e-6)
    np.testing.assert_allclose(table["episode_return"], table["num_steps"])
    metrics = json.loads(task.files.metrics.read_text())["task"]
    np.testing.assert_allclose(
        metrics["objective"], 2, atol=0.02
    )  # episodes have about ten steps or more
    np.testing.assert_allclose(metrics["objective_before"], 2, atol=0.02)


def test_all_stages_run_in_a_mujoco_environment(tmp_path, monkeypatch):
    params = copy.deepcopy(BANDIT)
    params["env"] = {"id": "InvertedPendulum-v5", "backend": "gymnasium"}
    params["num_runs"] = 1
    params["policy"]["hidden_sizes"] = [8]
    params["train"] |= {"num_episodes": 8, "baseline": "per_step", "normalize_advantages": True}
    params["evaluate"]["num_episodes"] = 3
    task = run_stages(tmp_path, monkeypatch, params=params)
    metrics = json.loads(task.files.metrics.read_text())["task"]
    assert metrics["greedy_low"] is None  # one run has no interval
    assert (task.files.plots / "plane.png").exists()
    assert metrics["sampled"] > 1


def test_every_sample_has_its_own_stream_and_training_samples_with_the_learners_policy(
    tmp_path, monkeypatch
):
    seeds: list[Any] = []
    of_actor: list[Any] = []
    of_learner: list[Any] = []
    original = sampling.sample_episodes

    def sample_episodes(environments, actor, num_episodes, seed):
        seeds.append(seed.entropy)
        return original(environments, actor, num_episodes, seed)

    def watch(module, name, seen, argument):
        function = getattr(module, name)

        def watched(*arguments, **options):
            seen.append(arguments[argument])
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, watched)

    monkeypatch.setattr(sampling, "sample_episodes", sample_episodes)
    monkeypatch.setattr(evaluate_run, "sample_episodes", sample_episodes)
    watch(samplers, "make_actor", of_actor, 0)
    watch(learners, "make_learner", of_learner, 1)
    run_stages(tmp_path, monkeypatch, stages=(rollout, train, evaluate))
    assert seeds == [
        *([SEED, Purpose.ROLLOUT, run, 0] for run in range(2)),
        # 10 updates; the first one learns from the rollouts.
        *([SEED, Purpose.TRAINING, run, update] for run in range(2) for update in range(1, 10)),
        *(
            [SEED, purpose, run, 0]
            for run in range(2)
            for purpose in (Purpose.GREEDY_EVALUATION, Purpose.SAMPLED_EVALUATION)
        ),
    ]
    assert of_actor[-1] is of_learner[-1]


# Errors ----------------------------------------------------------------------------------------


def test_training_refuses_episodes_of_other_weights(tmp_path, monkeypatch):
    task = run_stages(tmp_path, monkeypatch, stages=(rollout,))
    weights = read_arrays(task.files.initial_weights)
    weights["logits/bias"] = weights["logits/bias"] + np.float32(1e-6)
    write_arrays(task.files.initial_weights, weights)
    with pytest.raises(UserError, match=r"rollouts\.npz: expected episodes sampled by the pol"):
        train(task)
    assert not task.files.final_weights.exists()


def test_training_refuses_log_probabilities_of_another_policy(tmp_path, monkeypatch):
    task = run_stages(tmp_path, monkeypatch, stages=(rollout,))
    arrays = read_arrays(task.files.rollouts)
    arrays["log_probs"][1, 3, 0] += np.float32(4e-5)  # allowed: 1e-5 · (1 + log 2)
    write_arrays(task.files.rollouts, arrays)
    with pytest.raises(UserError, match="log-probabilities of the initial policy of run 1"):
        train(task)


@pytest.mark.parametrize(
    ("section", "change"),
    [("train", {"episodes_per_update": 8, "num_episodes": 40}), ("env", {"max_episode_steps": 9})],
)
def test_training_refuses_too_few_episodes_and_too_long_ones(
    section, change, tmp_path, monkeypatch
):
    params = copy.deepcopy(BANDIT)
    params["env"]["id"] = "CartPole-v1"
    run_stages(tmp_path, monkeypatch, params=params, stages=(rollout,))
    params[section] |= change
    params["rollout"]["num_episodes"] = 8
    with pytest.raises(UserError, match=r"rollouts\.npz: expected at least \d episodes of at most"):
        run_stages(tmp_path, monkeypatch, params=params, stages=(train,))


def test_training_refuses_weights_of_another_network(tmp_path, monkeypatch):
    run_stages(tmp_path, monkeypatch, stages=(rollout,))
    other = copy.deepcopy(BANDIT)
    other["policy"]["hidden_sizes"] = [3]
    with pytest.raises(UserError, match=r"initial_weights\.npz: expected weights of shape"):
        run_stages(tmp_path, monkeypatch, params=other, stages=(train,))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_divergence_is_reported_with_run_and_update(tmp_path, monkeypatch):
    exploding = copy.deepcopy(BANDIT)
    exploding["env"]["kwargs"] = {"payouts": [1e37, 3e37]}
    exploding["train"] |= {"baseline": "none", "optimizer": "sgd", "learning_rate": 10.0}
    with pytest.raises(
        UserError, match=r"^task: run 0, update \d+: training stopped.*learning_rate"
    ):
        run_stages(tmp_path, monkeypatch, params=exploding, stages=(rollout, train))


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_missing_input_is_named(stage, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"^data/task/.*no such file"):
        run_stages(tmp_path, monkeypatch, stages=(stage,))


def test_files_of_another_number_of_runs_are_refused(tmp_path, monkeypatch):
    task = run_stages(tmp_path, monkeypatch, stages=(rollout, train))
    curve = read_table(task.files.learning_curve, ["run", "mean_return"])
    of_run_0 = curve["run"] == 0
    write_table(
        task.files.learning_curve, {name: values[of_run_0] for name, values in curve.items()}
    )
    with pytest.raises(
        UserError, match=r"learning_curve\.csv: expected a learning curve of 2 runs"
    ):
        evaluate(task)
    assert not task.files.metrics.exists()


def test_a_damaged_input_is_named_and_outputs_are_kept(tmp_path, monkeypatch):
    task = run_stages(tmp_path, monkeypatch, stages=(rollout, train))
    before = task.files.final_weights.read_bytes()
    task.files.rollouts.write_bytes(task.files.rollouts.read_bytes()[:100])
    with pytest.raises(UserError, match=r"rollouts\.npz: expected an \.npz file of arrays"):
        train(task)
    assert task.files.final_weights.read_bytes() == before


def command(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_mistake_ends_a_command_with_one_message(tmp_path):
    bad = copy.deepcopy(BANDIT)
    bad["train"]["gamma"] = 1.5
    write_params(tmp_path, bandit=bad)
    result = command(tmp_path, "pipeline", "train", "bandit")
    assert result.returncode == 1
    expected = (
        "params.yaml: tasks.bandit.train.gamma: expected a number from 0 to 1, received 1.5\n"
    )
    assert (result.stdout, result.stderr) == ("", expected)


def test_a_stage_prints_one_line(tmp_path):
    write_params(tmp_path, bandit=BANDIT)
    result = command(tmp_path, "pipeline", "rollout", "bandit")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(
        "bandit: sampled with initial policies; runs: 2, episodes per run: 6, mean return: "
    )
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rewards", lambda v: v * np.float32(np.nan), "expected finite rewards"),
        ("rewards", lambda v: v.astype(np.float64), "expected rewards of float32 of shape"),
        ("observations", lambda v: v[..., :0], "expected observations of float32 of shape"),
        ("actions", lambda v: v[:1], "expected actions of int.* of shape"),
        ("valid", lambda v: v[0], "expected valid of rank 3"),
        ("valid", np.zeros_like, "expected complete episodes"),
    ],
)
def test_training_refuses_rollouts_without_complete_episodes(
    name, change, message, tmp_path, monkeypatch
):
    task = run_stages(tmp_path, monkeypatch, stages=(rollout,))
    arrays = read_arrays(task.files.rollouts)
    arrays[name] = change(arrays[name])
    write_arrays(task.files.rollouts, arrays)
    with pytest.raises(UserError, match=rf"rollouts\.npz: {message}"):
        train(task)


def test_the_observation_after_an_episode_may_be_nan(tmp_path, monkeypatch):
    # No action follows it, so nothing else checks it, either.
    task = run_stages(tmp_path, monkeypatch, stages=(rollout,))
    arrays = read_arrays(task.files.rollouts)
    arrays["final_observations"].fill(np.nan)
    write_arrays(task.files.rollouts, arrays)
    train(task)


@pytest.mark.parametrize("value", ["much", "nan", "inf"])
def test_evaluate_refuses_a_learning_curve_without_numbers(value, tmp_path, monkeypatch):
    task = run_stages(tmp_path, monkeypatch, stages=(rollout, train))
    curve = read_table(task.files.learning_curve, [])
    returns = curve["mean_return"].astype(str)
    returns[3] = value
    write_table(task.files.learning_curve, curve | {"mean_return": returns})
    with pytest.raises(UserError, match=r"learning_curve\.csv: expected finite numbers"):
        evaluate(task)
