"""A task's policy and learner, from its parameters."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline import policies
from pipeline.artifacts import write_arrays
from pipeline.environments.specification import inspect_environment
from pipeline.errors import UserError
from pipeline.params import PolicyParams, TrainParams
from pipeline.reinforce import baselines

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


def test_the_policy_has_the_network_that_was_asked_for():
    network = make_policy().network
    shapes = [tuple(weights.shape) for weights in network.trainable_variables]
    assert shapes == [(4, 3), (3,), (3, 5), (5,), (5, 2), (2,)]
    assert network.get_layer("hidden_0").activation is keras.activations.relu


def test_the_learner_does_what_the_parameters_say():
    learner = policies.make_learner(TRAIN, make_policy())
    assert isinstance(learner.optimizer, keras.optimizers.RMSprop)
    assert float(learner.optimizer.learning_rate) == 0.0625
    assert learner.gamma == 0.75
    assert learner.baseline is baselines.per_step
    assert learner.normalize_advantages is True
    assert learner.entropy_coefficient == 0.5
    assert learner.max_gradient_norm == 2.5


def test_the_compiled_act_is_the_policys_sample_with_the_weights_of_the_moment():
    policy = make_policy()
    act = policies.compile_act(policy)
    observations = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    seed = np.array([1, 2], np.int32)
    for factor in (1.0, 100.0):
        policy.network.set_weights([factor * w for w in policy.network.get_weights()])
        expected = policy.sample(tf.constant(observations), seed)
        for received, wanted in zip(act(observations, seed), expected, strict=True):
            np.testing.assert_allclose(received, wanted, rtol=1e-5)


def test_weights_come_back_run_by_run(tmp_path):
    runs = [policies.get_weights(make_policy(seed)) for seed in (1, 2)]
    write_arrays(tmp_path / "weights.npz", policies.stack_weights(runs))
    policy = make_policy()
    weights = policies.read_weights(tmp_path / "weights.npz", policy, 2)
    for run, expected in enumerate(runs):
        policies.set_weights(policy, weights, run)
        for path, values in policies.get_weights(policy).items():
            np.testing.assert_array_equal(values, expected[path])


def test_weights_of_other_runs_or_not_finite_are_refused(tmp_path):
    path, policy = tmp_path / "weights.npz", make_policy()
    weights = policies.stack_weights([policies.get_weights(policy)])
    write_arrays(path, weights)
    with pytest.raises(UserError, match=r"weights\.npz: expected weights of shape"):
        policies.read_weights(path, policy, 2)
    weights["logits/bias"][0, 1] = np.nan
    write_arrays(path, weights)
    with pytest.raises(UserError, match=r"weights\.npz: expected finite weights"):
        policies.read_weights(path, policy, 1)
