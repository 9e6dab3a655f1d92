"""Building a task's policy and learner from its parameters."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from environments.specification import inspect_environment
from pipeline.build import learners, policies
from pipeline.task.artifacts import stack_weights, write_arrays
from pipeline.task.errors import UserError
from pipeline.task.schema import PolicyParams, TrainParams, ValueParams
from reinforce.baselines import BASELINES
from reinforce.sampling.actor import CompiledActor
from reinforce.sampling.seeds import draw_seeds
from reinforce.value import ValueBaseline

TRAIN = TrainParams(
    num_episodes=8,
    episodes_per_update=4,
    gamma=0.75,
    optimizer="rmsprop",
    learning_rate=0.0625,
    baseline="per_step",
    normalize_advantages=True,
    entropy_coefficient=0.5,
    max_gradient_norm=2.5,
)


def make_policy(seed=0, hidden_sizes=(3, 5)):
    return policies.make_policy(
        PolicyParams(hidden_sizes=hidden_sizes, activation="relu"),
        inspect_environment("CartPole-v1", {}),
        np.random.SeedSequence(seed),
    )


def test_the_policy_has_the_network_that_its_parameters_describe():
    network = make_policy().network
    shapes = [tuple(weights.shape) for weights in network.trainable_variables]
    assert shapes == [(4, 3), (3,), (3, 5), (5,), (5, 2), (2,)]
    assert network.get_layer("hidden_0").activation is keras.activations.relu


def test_the_learner_does_what_the_parameters_say():
    learner = learners.make_learner(TRAIN, make_policy())
    assert isinstance(learner.optimizer, keras.optimizers.RMSprop)
    assert float(learner.optimizer.learning_rate) == 0.0625
    assert learner.gamma == 0.75
    assert learner.baseline is BASELINES["per_step"]
    assert learner.normalize_advantages is True
    assert learner.entropy_coefficient == 0.5
    assert learner.max_gradient_norm == 2.5


def test_the_value_network_is_the_one_that_its_parameters_describe():
    params = TRAIN.model_copy(
        update={
            "baseline": "value",
            "reward_scale": 0.5,
            "value": ValueParams(
                hidden_sizes=(6,),
                activation="elu",
                optimizer="sgd",
                learning_rate=0.25,
                steps_per_update=7,
                normalize_targets=False,
            ),
        }
    )
    learner = learners.make_learner(params, make_policy())
    value = learner.baseline
    assert isinstance(value, ValueBaseline)
    assert learner.reward_scale == 0.5
    assert [tuple(v.shape) for v in value.variables] == [(4, 6), (6,), (6, 1), (1,)]
    assert value.network.get_layer("hidden_0").activation is keras.activations.elu
    assert isinstance(value.optimizer, keras.optimizers.SGD)
    assert float(value.optimizer.learning_rate) == 0.25
    assert (value.steps_per_update, value.normalize_targets) == (7, False)


def test_every_run_starts_with_its_own_policy_and_value_network():
    params = TRAIN.model_copy(update={"baseline": "value"})
    learner = learners.make_learner(params, make_policy())
    assert isinstance(learner.baseline, ValueBaseline)
    weights = stack_weights([policies.get_weights(make_policy(seed)) for seed in (1, 2)])
    kernels = []
    for run, seed in [(0, 8), (1, 9), (0, 8)]:
        policies.set_weights(learner.policy, weights, run)
        learner.reset(np.random.SeedSequence(seed))
        for path, values in policies.get_weights(learner.policy).items():
            np.testing.assert_array_equal(values, weights[path][run])
        kernels.append(learner.baseline.network.get_weights()[0])
    assert not np.array_equal(kernels[0], kernels[1])
    np.testing.assert_array_equal(kernels[0], kernels[2])


def test_policy_and_value_share_the_statistics_of_observations():
    policy = policies.make_policy(
        PolicyParams(hidden_sizes=(), activation="tanh", normalize_observations=True),
        inspect_environment("CartPole-v1", {}),
        np.random.SeedSequence(0),
    )
    learner = learners.make_learner(TRAIN.model_copy(update={"baseline": "value"}), policy)
    normalizer = policy.network.get_layer("normalization")
    assert isinstance(learner.baseline, ValueBaseline)
    assert normalizer in learner.baseline.network.layers
    # The statistics are among the weights that are written, read and set.
    saved = policies.get_weights(policy)
    assert {path for path in saved if path.startswith("normalization/")} == {
        "normalization/mean",
        "normalization/variance",
        "normalization/count",
    }
    normalizer.update(tf.ones((2, 4)), tf.ones(2, bool))
    policies.set_weights(policy, stack_weights([saved]), 0)
    assert float(normalizer.count) == 0


@pytest.mark.parametrize(
    ("schedule", "final", "expected"),
    [
        # 5 updates from 0.0625: fractions done 0, 1/5, …, 4/5; the last value is reached after.
        ("constant", 0.0, lambda done: 0.0625),
        ("linear", 0.0125, lambda done: 0.0625 + (0.0125 - 0.0625) * done),
        ("linear", 0.0, lambda done: 0.0625 * (1 - done)),
        ("cosine", 0.0125, lambda done: 0.0125 + 0.05 * (1 + np.cos(np.pi * done)) / 2),
        ("exponential", 0.0125, lambda done: 0.0625 * 0.2**done),
    ],
)
def test_the_learning_rate_falls_from_update_to_update(schedule, final, expected):
    params = TRAIN.model_copy(
        update={
            "num_episodes": 20,
            "optimizer": "sgd",
            "learning_rate_schedule": schedule,
            "final_learning_rate": final,
        }
    )
    rates = learners.make_schedule(params).upcoming(0, 0)
    np.testing.assert_allclose(rates, [expected(u / 5) for u in range(5)], rtol=1e-6)


def test_hyperparameters_of_the_program_can_be_changed():
    params = TRAIN.model_copy(update={"baseline": "value"})
    changed = params.model_copy(
        update={
            "num_episodes": 40,
            "gamma": 0.5,
            "reward_scale": 0.25,
            "learning_rate": 1.5,
            "entropy_coefficient": 0.125,
            "max_gradient_norm": 0.75,
            "value": params.value.model_copy(update={"learning_rate": 0.0625}),
        }
    )
    assert learners.program_params(changed) == learners.program_params(params)
    learner = learners.make_learner(params, make_policy())
    learners.set_hyperparameters(learner, changed)
    learner.reset(np.random.SeedSequence(0))  # keeps them
    assert (learner.gamma, learner.reward_scale) == (0.5, 0.25)
    assert (learner.entropy_coefficient, learner.max_gradient_norm) == (0.125, 0.75)
    assert isinstance(learner.baseline, ValueBaseline)
    assert float(learner.baseline.optimizer.learning_rate) == 0.0625


@pytest.mark.parametrize(
    "changed", [{"entropy_coefficient": 0.0}, {"max_gradient_norm": None}, {"baseline": "none"}]
)
def test_what_makes_another_program_cannot_be_changed(changed):
    params = TRAIN.model_copy(update=changed)
    assert learners.program_params(params) != learners.program_params(TRAIN)
    if "baseline" not in changed:
        learner = learners.make_learner(TRAIN, make_policy())
        with pytest.raises(ValueError, match=f"{next(iter(changed))}: expected a learner made for"):
            learners.set_hyperparameters(learner, params)


def test_the_compiled_actor_samples_from_the_policy_with_its_current_weights():
    policy = make_policy()
    actor = CompiledActor(policy)
    actor.begin(np.random.default_rng(1))
    seeds = draw_seeds(np.random.default_rng(1))
    for num_observations, factor in [(6, 1.0), (3, 100.0)]:
        observations = np.random.default_rng(0).normal(size=(num_observations, 4)).astype("f4")
        policy.network.set_weights([factor * w for w in policy.network.get_weights()])
        expected = policy.sample(tf.constant(observations), next(seeds))
        action = actor.act(observations)
        for received, value in zip(action, expected, strict=True):
            np.testing.assert_allclose(received, value, rtol=1e-5)
        np.testing.assert_allclose(
            actor.log_prob(action.outputs, action.raw_action),
            policy.distribution(observations).log_prob(expected.raw_action),
            rtol=1e-5,
        )


def test_weights_are_read_as_they_were_written_run_by_run(tmp_path):
    runs = [policies.get_weights(make_policy(seed)) for seed in (1, 2)]
    write_arrays(tmp_path / "weights.npz", stack_weights(runs))
    policy = make_policy()
    weights = policies.read_weights(tmp_path / "weights.npz", policy, 2)
    for run, expected in enumerate(runs):
        policies.set_weights(policy, weights, run)
        for path, values in policies.get_weights(policy).items():
            np.testing.assert_array_equal(values, expected[path])


def test_weights_with_another_number_of_runs_or_not_finite_are_refused(tmp_path):
    path, policy = tmp_path / "weights.npz", make_policy()
    weights = stack_weights([policies.get_weights(policy)])
    write_arrays(path, weights)
    with pytest.raises(UserError, match=r"weights\.npz: expected weights of shape"):
        policies.read_weights(path, policy, 2)
    weights["logits/bias"][0, 1] = np.nan
    write_arrays(path, weights)
    with pytest.raises(UserError, match=r"weights\.npz: expected finite weights"):
        policies.read_weights(path, policy, 1)
