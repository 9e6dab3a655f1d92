"""The throughput benchmark, at tiny sizes; no time is asserted."""

import json
from collections import Counter

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import ceiling, report, throughput, throughput_tables
from benchmarks.networks import NumpyNetwork, make_measured_policy
from environments.specification import inspect_environment
from environments.vector.make import make_environments

CARTPOLE = inspect_environment("CartPole-v1", {})


def test_the_ceiling_is_the_rate_of_all_parts_one_after_another():
    # An env step takes 1/2 s forward, 1/4 s forward and backward, and 1/4 s to step.
    assert ceiling.combined(2, 4, 4) == 1


@pytest.fixture(scope="module")
def untrained():
    return make_measured_policy(CARTPOLE, "untrained")


def test_the_network_has_the_documented_shape(untrained):
    shapes = [tuple(weight.shape) for weight in untrained.network.trainable_variables]
    assert shapes == [(4, 64), (64,), (64, 64), (64,), (64, 2), (2,)]


def test_the_network_in_numpy_matches_the_policy(untrained):
    observations = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
    network = NumpyNetwork(untrained)
    outputs = untrained.outputs(observations).numpy()
    np.testing.assert_allclose(network.forward(observations)[-1], outputs, rtol=1e-4, atol=1e-7)
    variables = untrained.network.trainable_variables
    with tf.GradientTape() as tape:
        objective = tf.reduce_sum(weights * untrained.outputs(observations))
    expected = tape.gradient(objective, variables)
    received = network.forward_backward(observations, weights)
    for index in range(3):
        for part, gradient in [
            (received.kernels, expected[2 * index]),
            (received.biases, expected[2 * index + 1]),
        ]:
            np.testing.assert_allclose(part[index], gradient.numpy(), rtol=1e-3, atol=1e-6)


def test_the_balancing_policy_keeps_the_pole_up():
    policy = make_measured_policy(CARTPOLE, "balancing")
    greedy = tf.function(policy.greedy)
    env = gymnasium.make("CartPole-v1")
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        over, num_steps = False, 0
        while not over:
            action = greedy(observation[None].astype(np.float32))[0]
            observation, _, terminated, truncated, _ = env.step(int(action))
            over, num_steps = terminated or truncated, num_steps + 1
        assert num_steps == 500
    env.close()


def test_there_is_no_other_policy():
    with pytest.raises(ValueError, match="no balancing policy for Pendulum-v1"):
        make_measured_policy(inspect_environment("Pendulum-v1", {}), "balancing")
    with pytest.raises(ValueError, match="no policy of kind 'trained'"):
        make_measured_policy(CARTPOLE, "trained")


def test_raw_steps_are_counted():
    environments = make_environments(CARTPOLE, 4)
    assert ceiling.gymnasium_steps(environments, CARTPOLE.action_space, 3)() == 12
    assert ceiling.compiled_steps(CARTPOLE, 4, 3)() == 12


def test_a_robot_is_simulated_without_its_environment(monkeypatch):
    assert ceiling.mujoco_steps(gymnasium.make("CartPole-v1"), 4, 3, 2) is None
    calls: Counter[str] = Counter()
    for name in ("mj_step", "mj_resetData"):
        monkeypatch.setattr(f"mujoco.{name}", lambda *_, name=name: calls.update([name]))
    steps = ceiling.mujoco_steps(gymnasium.make("Hopper-v5"), 4, 3, 2)
    assert steps is not None
    assert steps() == 12
    # Three steps of four copies, which restart before the first and the third.
    assert calls == {"mj_step": 12, "mj_resetData": 8}


RATES = {
    "sampling": 30.0,
    "iteration": 20.0,
    "forward numpy": 100.0,
    "forward xla": 200.0,
    "forward_backward numpy": 100.0,
    "forward_backward xla": 50.0,
    "step": 100.0,
}


def test_a_row_uses_the_faster_library_for_each_part():
    figures = throughput.figures_of_rates(RATES)
    # 1 / (1/200 + 1/100 + 1/100) = 40; 20 is half of it.
    assert figures["ceiling"] == pytest.approx(40)
    assert figures["share"] == pytest.approx(0.5)
    assert (figures["forward_by"], figures["forward_backward_by"]) == ("xla", "numpy")


def test_rates_of_processes_are_added(monkeypatch):
    """Three processes step three times as much; their ceiling rises, too, so the share stays."""
    parts = [throughput.Measurement({"memory_mib": peak}, RATES) for peak in (5, 7, 6)]
    monkeypatch.setattr(throughput, "call_side_by_side", lambda *_: parts)
    measured = throughput.measure_throughput(throughput.Row("Id", "gymnasium", "p", 8, 3, 1.0))
    assert measured["iteration"] == 60
    assert measured["ceiling"] == pytest.approx(120)
    assert measured["share"] == pytest.approx(0.5)
    assert measured["memory_mib"] == 7


def row(num_episodes, **fields):
    return {
        "backend": "compiled",
        "policy": "untrained",
        "num_episodes": num_episodes,
        "num_processes": 1,
        "mean_length": 22.0,
        "compilation_seconds": 5.0,
        "memory_mib": 100.0,
        **throughput.figures_of_rates(RATES),
        **fields,
    }


def test_tables_show_the_time_of_an_env_step_and_the_memory_of_an_episode(capsys):
    throughput_tables.print_throughput([row(8), row(64, memory_mib=156.0, iteration=40.0)])
    output = capsys.readouterr().out
    # 1e6 / 20 and 1e6 / 40 µs; 56 MiB for 56 episodes.
    assert "| compiled | untrained | 50000.00 | 25000.00 |" in output
    assert "memory per episode of an update, compiled untrained: 1024 KiB" in output
    assert "50%" in output


def test_memory_per_episode_needs_two_sizes():
    assert throughput_tables.memory_per_episode([row(8)]) is None


@pytest.mark.slow
@pytest.mark.parametrize("backends", [["gymnasium"], ["compiled", "gymnasium"]], ids=" ".join)
def test_the_command_measures(backends, tmp_path, capsys):
    path = tmp_path / "measured.json"
    arguments = ["--episodes", "2", "--policies", "untrained", "--seconds", "0.01"]
    arguments += ["--processes", "2"]
    throughput.main([*arguments, "--backends", *backends, "--json", str(path)])
    measured = json.loads(path.read_text())
    assert measured["command"] == "python -m benchmarks.throughput"
    assert measured["processor"] == report.processor()
    assert [r["backend"] for r in measured["rows"]] == backends
    for measured_row in measured["rows"]:
        assert (measured_row["num_episodes"], measured_row["num_processes"]) == (2, 2)
        assert 8 <= measured_row["mean_length"] <= 200  # of an untrained CartPole
        assert measured_row["share"] > 0
    assert "gymnasium | untrained" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "CartPol-v1"], "expected the id of an installed Gymnasium environment"),
        (
            ["--env", "InvertedDoublePendulum-v5", "--backends", "compiled"],
            "expected gymnasium, since",
        ),
        (["--env", "Pendulum-v1", "--policies", "balancing"], "expected untrained for Pendulum-v1"),
    ],
)
def test_a_mistake_gives_one_message(arguments, message):
    with pytest.raises(SystemExit) as stopped:
        throughput.main(arguments)
    assert message in str(stopped.value)
