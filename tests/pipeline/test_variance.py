"""Stage `variance`, on small tasks in a temporary folder."""

import copy
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.build.learners import make_value_baseline
from pipeline.noise import episodes_per_batch
from pipeline.rollout import rollout
from pipeline.task.artifacts import read_arrays, read_table, write_arrays
from pipeline.task.errors import UserError
from pipeline.task.schema import TrainParams, VarianceParams
from pipeline.task.seeds import Purpose
from pipeline.train import train
from pipeline.variance import format_table, variance
from reinforce.sampling import gymnasium as sampling
from tests.pipeline.small_task import BANDIT, SEED
from tests.pipeline.test_stages import run_stages
from tests.reinforce.noise.test_compare import VARIANCES

STAGES = (rollout, train, variance)
COUNTS = ["num_runs", "num_batches", "num_episodes"]


def plain_bandit():
    """Make the bandit of docs/chapter.md, with one episode per update, no baseline and two runs."""
    params = copy.deepcopy(BANDIT)
    params["env"] = {"id": "Bandit-v0", "kwargs": {"probabilities": [0.3, 0.7]}}
    params["train"] |= {"episodes_per_update": 1, "baseline": "none", "entropy_coefficient": 0.2}
    return params


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Measure the bandit of docs/chapter.md; yield the table and the bytes of its file."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("bandit")
        task = run_stages(
            folder,
            monkeypatch,
            params=plain_bandit(),
            stages=STAGES,
            variance=VarianceParams(num_runs=7, num_batches=150),
        )
        path = folder / task.files.variance
        yield SimpleNamespace(
            task=task,
            folder=folder,
            table=read_table(path, COUNTS),
            bytes=path.read_bytes(),
            picture=(folder / task.files.variance_picture).read_bytes(),
        )


def test_a_row_for_each_policy_and_baseline(measured):
    table = measured.table
    assert table["policy"].tolist() == ["initial"] * 4 + ["trained"] * 4
    assert table["baseline"].tolist() == ["none", "leave_one_out", "per_step", "value"] * 2
    # All existing runs; two episodes, since some baselines are undefined for one.
    assert {name: set(table[name].tolist()) for name in COUNTS} == {
        "num_runs": {2},
        "num_batches": {150},
        "num_episodes": {2},
    }
    # With one step per episode, leave_one_out and per_step are the same.
    np.testing.assert_array_equal(table["total_variance"][1::4], table["total_variance"][2::4])


def test_the_bandits_estimates_are_right(measured):
    # The initial policy is uniform up to weights of 0.01. It observes 1, so each logit has a weight
    # in addition to its bias: variances are twice those of a policy with only biases. Advantages
    # are not normalized. The value network has learned the mean, ½, up to some noise.
    table = measured.table
    for row, (baseline, of_biases) in enumerate(VARIANCES.items()):
        assert table["baseline"][row] == baseline
        truth = {
            "total_variance": 2 * of_biases,
            "relative_variance": of_biases / 0.115,
            "squared_norm": 0.04,
            "signal_to_noise": np.sqrt(0.02 / of_biases),
            "num_episodes_for_1": 2 * of_biases / 0.02,
        }
        for name, expected in truth.items():
            low, high = table[f"{name}_low"][row], table[f"{name}_high"][row]
            assert 0.95 * low <= expected <= 1.05 * high, (baseline, name)
            assert low <= table[name][row] <= high


def test_prints_its_table_and_repeats_it_exactly(measured, capsys, monkeypatch):
    monkeypatch.chdir(measured.folder)
    variance(measured.task)
    assert (measured.folder / measured.task.files.variance).read_bytes() == measured.bytes
    assert (measured.folder / measured.task.files.variance_picture).read_bytes() == measured.picture
    first, *table = capsys.readouterr().out.splitlines()
    assert first == (
        "task: gradient noise; runs: 2, batches per policy: 150, episodes per batch: 2; "
        "estimates with 95% intervals"
    )
    assert table == format_table(measured.table).splitlines()


@pytest.mark.parametrize(("per_update", "expected"), [(1, 2), (2, 2), (32, 32)])
def test_batches_are_as_large_as_an_update_but_at_least_two_episodes(per_update, expected):
    params = TrainParams(**BANDIT["train"]).model_copy(update={"episodes_per_update": per_update})
    assert episodes_per_batch(params) == expected


def test_every_sample_has_its_own_stream_and_value_is_fitted_to_separate_episodes(
    tmp_path, monkeypatch
):
    samples = []
    original = sampling.sample_episodes

    def sample_episodes(environments, act, num_episodes, seed):
        samples.append((seed.entropy, seed.spawn_key, num_episodes))
        return original(environments, act, num_episodes, seed)

    run_stages(tmp_path, monkeypatch, stages=(rollout, train))
    monkeypatch.setattr(sampling, "sample_episodes", sample_episodes)
    run_stages(tmp_path, monkeypatch, stages=(variance,))
    # For the policies before and after 10 updates: five calls of 16 episodes to fit to (twice the
    # 40 episodes that a run trains on), and three calls for 10 batches of 4.
    assert samples == [
        ([SEED, Purpose.VARIANCE, run, update], key, 16)
        for update in (0, 10)
        for run in (0, 1)
        for key in [*((1, call) for call in range(5)), *((3, call) for call in range(3))]
    ]


def test_observation_statistics_are_unchanged_and_value_is_reset(tmp_path, monkeypatch):
    made: list[Any] = []

    def watched(*arguments, **options):
        made.append(make_value_baseline(*arguments, **options))
        return made[-1]

    monkeypatch.setattr("pipeline.noise.make_value_baseline", watched)
    params = copy.deepcopy(BANDIT)
    params["env"] = {"id": "CartPole-v1"}
    params["policy"]["normalize_observations"] = True
    task = run_stages(tmp_path, monkeypatch, params=params, stages=STAGES)
    count = read_arrays(task.files.final_weights)["normalization/count"][-1]
    (value,) = made
    normalizer = value.network.get_layer("normalization")
    assert float(normalizer.count.numpy()) == count > 0
    # Only the last policy counts: 600 minibatches of 256 steps.
    assert float(value.targets.count.numpy()) == 600 * 256
    # CartPole's returns depend on the observation, though little after so short a training.
    table = read_table(task.files.variance, COUNTS)
    explained = table["explained_variance"][table["baseline"] == "value"]
    assert (explained > 0.05).all()
    assert (explained < 1).all()


def test_a_deterministic_policy_has_no_noise_and_no_ratio(tmp_path, monkeypatch):
    # It always pulls arm 1: 1 − π = e^−200 is 0 in float32, and so is ∇log π.
    task = run_stages(tmp_path, monkeypatch, stages=(rollout, train))
    weights = read_arrays(task.files.final_weights)
    weights["logits/bias"] = np.array([[0, 200], [0, 200]], np.float32)
    write_arrays(task.files.final_weights, weights)
    variance(task)
    table = read_table(task.files.variance, COUNTS)
    trained = table["policy"] == "trained"
    assert (table["total_variance"][trained] == 0).all()
    assert (table["total_variance"][~trained] > 0.01).all()
    assert np.isnan(table["signal_to_noise"][trained]).all()
    assert (table["num_episodes_for_1_low"][trained] == 0).all()
    assert (table["num_episodes_for_1_high"][trained] == np.inf).all()
    assert format_table(table).splitlines()[-1].split()[-9:] == [*["0", "[0,", "0]"] * 2, *"–––"]


def test_a_task_that_is_not_in_the_section_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"^params.yaml: variance.task: missing; expected a secti"):
        run_stages(tmp_path, monkeypatch, stages=(variance,), variance=None)


def test_numbers_in_the_table():
    # The norm is the root of its squared estimate, or 0 if that is negative.
    statistics = ("squared_norm", "total_variance", "relative_variance", "signal_to_noise")
    ends = {"": 4.0, "_low": -1.0, "_high": 9.0}
    table = {f"{name}{end}": np.array([v]) for name in statistics for end, v in ends.items()}
    table |= {
        "policy": np.array(["initial"]),
        "baseline": np.array(["none"]),
        "explained_variance": np.array([0.254]),
        "num_episodes_for_1": np.array([12345.0]),
        "num_episodes_for_1_low": np.array([7.25]),
        "num_episodes_for_1_high": np.array([np.inf]),
    }
    titles, row = format_table(table).splitlines()
    cells = ["initial", "none", "25%", "2 [0, 3]", *["4 [-1, 9]"] * 3, "12,345 [7.25, ∞]"]
    assert re.split("  +", row) == cells
    for title, cell in zip(re.split("  +", titles), cells, strict=True):
        assert titles.index(title) == row.index(cell, titles.index(title))
    table |= {"explained_variance": np.array([np.nan]), "num_episodes_for_1": np.array([np.nan])}
    cells = re.split("  +", format_table(table).splitlines()[1])
    assert [cells[2], cells[-1]] == ["–", "–"]
