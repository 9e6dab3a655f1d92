"""Runs of REINFORCE, with a sampler and in one XLA program."""

from itertools import chain

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from environments.faults import EnvironmentFault
from models.normalization import RunningNormalization
from reinforce.baselines import BASELINES
from reinforce.best import BestPolicy
from reinforce.records import DivergenceError, UpdateStatistics, make_records
from reinforce.sampling.compiled import CompiledSampler
from reinforce.sampling.protocol import Sampler
from reinforce.schedule import EnvStepSchedule, UpdateSchedule
from reinforce.train import CompiledTrainer, SampledTrainer, choose_updates_per_call
from tests.reinforce.examples import (
    SEED,
    make_environment,
    make_episodes,
    make_learner,
    make_policy,
    make_value,
    random_episodes,
)

PER_STEP = BASELINES["per_step"]


class FunctionSampler(Sampler):
    """A sampler whose episodes are returned by a function of the seed's number."""

    def __init__(self, sample):
        self._sample = sample
        self.is_open = False

    def __enter__(self):
        self.is_open = True
        return self

    def __exit__(self, *_):
        self.is_open = False

    def sample(self, seed):
        assert self.is_open
        return self._sample(seed.entropy)


def make_trainer(learner, sample=None, **options):
    return SampledTrainer(learner, FunctionSampler(sample), **options)


def run(trainer, first, num_updates):
    """Start a run and return its records. The seed of each update is its number."""
    trainer.reset(SEED)
    return chain.from_iterable(
        trainer.run(first, np.random.SeedSequence, rates(trainer, num_updates))
    )


def rates(trainer, num_updates):
    """Return a schedule with the learning rate of the trainer's optimizer for each update."""
    return UpdateSchedule(np.full(num_updates, float(trainer.learner.optimizer.learning_rate)))


def bandit_episodes(policy, arms, rewards):
    """Create one-step episodes, with log-probabilities under the current policy."""
    episodes = make_episodes(
        np.ones((len(arms), 1)), np.array(arms)[:, None], np.array(rewards)[:, None]
    )
    log_probs = policy.distribution(episodes.observations).log_prob(episodes.actions)
    return episodes._replace(log_probs=log_probs.numpy())


def operations(function):
    """Return every node of a compiled function's graph."""
    graph = function.get_concrete_function().graph.as_graph_def()
    return [*graph.node, *(node for f in graph.library.function for node in f.node_def)]


HOST_ONLY = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "Print", "PrintV2", "Assert"}

# Training with a sampler ------------------------------------------------------------------------


def test_every_update_learns_from_episodes_of_the_current_policy():
    policy = make_policy(spaces.Discrete(2))
    learner = make_learner(policy, keras.optimizers.SGD(1.0))
    first = bandit_episodes(policy, [0, 1], [0.0, 1.0])
    sampled = []

    def sample(update):
        episodes = bandit_episodes(policy, [0, 1], [0.0, float(update)])
        sampled.append((update, episodes))
        return episodes

    records = list(run(make_trainer(learner, sample), first, 4))
    assert [update for update, _ in sampled] == [1, 2, 3]
    # Each update made the rewarded arm more probable before the next batch was sampled …
    scores = [first.log_probs[1, 0]] + [episodes.log_probs[1, 0] for _, episodes in sampled]
    assert np.all(np.diff(scores) > 0)
    # … and learned from that batch, whose mean is (0 + reward) / 2. The first batch's reward is 1.
    assert [record.mean_return for record in records] == [0.5, 0.5, 1.0, 1.5]


def test_records_count_updates_episodes_and_steps():
    policy = make_policy(spaces.Discrete(2))
    first = make_episodes(
        [[1, 1], [1, 0]], [[0, 1], [1, 0]], [[1, 2], [4, 9]], [[True, True], [True, False]]
    )
    records = list(run(make_trainer(make_learner(policy), lambda _: first), first, 3))
    assert [record.update for record in records] == [0, 1, 2]
    assert [record.num_episodes for record in records] == [2, 4, 6]
    assert [record.num_env_steps for record in records] == [3, 6, 9]
    assert {record.mean_return for record in records} == {3.5}  # (1 + 2 + 4) / 2


def test_a_loss_that_is_not_finite_stops_training_and_closes_the_sampler():
    policy = make_policy(spaces.Discrete(2))
    good = bandit_episodes(policy, [0], [1.0])
    bad = bandit_episodes(policy, [0], [1e38])
    trainer = make_trainer(make_learner(policy, reward_scale=10.0), lambda _: bad)
    updates = run(trainer, good, 5)
    next(updates)
    assert trainer.sampler.is_open
    with pytest.raises(FloatingPointError, match="the loss is inf"):
        next(updates)
    assert not trainer.sampler.is_open


def test_a_run_does_not_depend_on_the_one_before_it():
    policy = make_policy(spaces.Discrete(2))
    weights = policy.network.get_weights()
    episodes = bandit_episodes(policy, [0, 1], [0.0, 1.0])
    trainer = make_trainer(make_learner(policy, keras.optimizers.Adam(0.1)), lambda _: episodes)
    finals = []
    for _ in range(2):
        policy.network.set_weights(weights)
        list(run(trainer, episodes, 3))
        finals.append(policy.network.get_weights())
    for first, second in zip(*finals, strict=True):
        np.testing.assert_array_equal(first, second)


def test_one_trace_for_all_shapes_and_runs():
    policy = make_policy(spaces.Discrete(2), observation_size=3, hidden_sizes=(8,))
    trainer = make_trainer(make_learner(policy, baseline=PER_STEP, normalize_advantages=True))
    for num_episodes, num_steps in [(2, 1), (2, 7), (5, 7), (3, 300), (16, 2)]:
        trainer.compiled_update(random_episodes(policy, num_episodes, num_steps))
    trainer.reset(SEED)
    trainer.compiled_update(random_episodes(policy, 2, 9))
    assert trainer.compiled_update.experimental_get_tracing_count() == 1


def test_the_update_names_no_device_and_needs_no_host():
    policy = make_policy(spaces.Box(-1, 1, (2,)), observation_size=3, hidden_sizes=(8,))
    trainer = make_trainer(make_learner(policy, baseline=PER_STEP, normalize_advantages=True))
    nodes = operations(trainer.compiled_update)
    assert {node.device for node in nodes} == {""}
    assert not {node.op for node in nodes} & HOST_ONLY


# Chunks, observation statistics and the best policy ---------------------------------------------


@pytest.mark.parametrize("baseline", ["per_step", "value"])
def test_how_steps_are_divided_into_chunks_changes_nothing(baseline):
    results = []
    for chunk_size in (1, 4, 7, 64):
        policy = make_policy(spaces.Discrete(3), observation_size=3, hidden_sizes=(8,))
        normalizer = RunningNormalization()
        normalizer.build((None, 3))
        value = make_value(
            3,
            (8,),
            keras.optimizers.Adam(0.1),
            steps_per_update=3,
            normalize_targets=True,
            chunk_size=chunk_size,
            normalizer=normalizer,
        )
        learner = make_learner(
            policy,
            baseline=value if baseline == "value" else BASELINES[baseline],
            entropy_coefficient=0.1,
            chunk_size=chunk_size,
        )
        trainer = make_trainer(learner, normalizer=normalizer)
        episodes = random_episodes(policy, num_episodes=4, num_steps=10)
        statistics = trainer.compiled_update(episodes)
        second = trainer.compiled_update(episodes)
        results.append([*statistics, *second, *normalizer.variables, *learner.variables])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_observation_statistics_change_only_after_the_update():
    normalizer = RunningNormalization()
    policy = make_policy(spaces.Discrete(2), 2, (4,), normalizer)
    plain = make_policy(spaces.Discrete(2), 2, (4,))
    learner = make_learner(policy, keras.optimizers.SGD(0.0))
    trainer = make_trainer(learner, normalizer=normalizer)
    first, second = random_episodes(policy, 3, 4), random_episodes(policy, 3, 5, seed=1)
    # In the first update, the policy receives unnormalized observations.
    expected = make_learner(plain).gradient(first)[0]
    actual = learner.gradient(first)[0]
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    statistics = trainer.compiled_update(first)
    norm = tf.linalg.global_norm(expected)
    np.testing.assert_allclose(statistics.gradient_norm, norm, rtol=1e-5)
    counted = first.observations[first.valid]
    np.testing.assert_allclose(normalizer.mean, counted.mean(axis=0), rtol=1e-5)
    # In the second update, they are normalized by the first batch's statistics.
    normalized = (second.observations - counted.mean(axis=0)) / counted.std(axis=0)
    expected = make_learner(plain).gradient(second._replace(observations=normalized))[0]
    for one, other in zip(learner.gradient(second)[0], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    trainer.compiled_update(second)
    counted = np.concatenate([counted, second.observations[second.valid]])
    np.testing.assert_allclose(normalizer.mean, counted.mean(axis=0), rtol=1e-5)


def test_the_best_policy_is_judged_by_undiscounted_returns_without_padding():
    # Rewards (1, 2) and (4), and 9 on padding. The returns are 3 and 4 for every γ.
    policy = make_policy(spaces.Discrete(2))
    best = BestPolicy(policy.network, episodes_per_update=2)
    episodes = make_episodes(
        [[1, 0], [1, 0]], [[0, 1], [1, 0]], [[1, 2], [4, 9]], [[True, True], [True, False]]
    )
    make_trainer(make_learner(policy, gamma=0.5), best=best).compiled_update(episodes)
    recent_returns = best.variables[0]
    np.testing.assert_allclose(recent_returns[-1], [3, 4], rtol=1e-6)


# The state --------------------------------------------------------------------------------------


def make_stateful_trainer(kind):
    """Create a trainer with every part that has a state, and episodes of its policy."""
    normalizer = RunningNormalization()
    environment, policy = make_environment(
        "CartPole-v1", (4,), max_episode_steps=12, normalizer=normalizer
    )
    value = make_value(
        4,
        (4,),
        keras.optimizers.Adam(0.1),
        normalize_targets=True,
        chunk_size=64,
        normalizer=normalizer,
    )
    learner = make_learner(policy, keras.optimizers.Adam(0.1), baseline=value, chunk_size=64)
    best = BestPolicy(policy.network, 32)
    sampler = CompiledSampler(environment, policy, 32)
    trainer = {
        "sampled": SampledTrainer(learner, sampler, normalizer=normalizer, best=best),
        "compiled": CompiledTrainer(
            learner, environment, 32, updates_per_call=2, normalizer=normalizer, best=best
        ),
    }[kind]
    trainer.reset(SEED)
    return trainer, sampler.sample(SEED)


def copy_state(trainer):
    return {name: variable.numpy() for name, variable in trainer.state.items()}


@pytest.mark.parametrize(
    ("kind", "yielded"), [("compiled", [1, 3, 5, 6]), ("sampled", [0, 1, 2, 3, 4, 5, 6])]
)
def test_the_state_is_that_after_the_last_record_yielded(kind, yielded):
    seeds = [np.random.SeedSequence([7, update]) for update in range(7)]
    trainer, first = make_stateful_trainer(kind)
    points = []  # from which to resume
    for records in trainer.run(first, seeds.__getitem__, rates(trainer, 7)):
        points.append((records[-1], copy_state(trainer)))
    assert [record.update for record, _ in points] == yielded
    final_record, _ = points[-1]
    other, _ = make_stateful_trainer(kind)
    for after, state in points[:-1]:
        for name, variable in other.state.items():
            variable.assign(state[name])
        *_, records = other.run(first, seeds.__getitem__, rates(other, 7), after)
        np.testing.assert_equal(records[-1]._asdict(), final_record._asdict())
        np.testing.assert_equal(copy_state(other), copy_state(trainer))


@pytest.mark.parametrize("kind", ["compiled", "sampled"])
def test_a_run_ends_with_the_update_that_reaches_its_env_steps(kind):
    seeds = [np.random.SeedSequence([7, update]) for update in range(99)]
    trainer, first = make_stateful_trainer(kind)
    used = []

    def rates(progress):
        used.extend(progress)
        return 0.01 * (1 - progress)

    records = list(
        chain.from_iterable(trainer.run(first, seeds.__getitem__, EnvStepSchedule(1000, rates)))
    )
    num_env_steps = [record.num_env_steps for record in records]
    assert num_env_steps[-2] < 1000 <= num_env_steps[-1]
    np.testing.assert_allclose(used, [0, *(n / 1000 for n in num_env_steps[:-1])])
    assert float(trainer.learner.optimizer.learning_rate) == np.float32(0.01 * (1 - used[-1]))


# Training in one program ------------------------------------------------------------------------


def make_compiled_learner(policy, optimizer=None, **changed):
    options = {"baseline": PER_STEP, "chunk_size": 4} | changed
    return make_learner(policy, optimizer or keras.optimizers.Adam(0.01), **options)


def sample(environment, policy, num_episodes, seed=SEED):
    return CompiledSampler(environment, policy, num_episodes).sample(seed)


def train(trainer, weights, first, num_updates, seed=7):
    """Return the records of a run that starts from `weights`. Update u has the seed `[seed, u]`."""
    trainer.learner.policy.network.set_weights(weights)
    trainer.reset(SEED)
    streams = [np.random.SeedSequence([seed, update]) for update in range(num_updates)]
    learning_rates = rates(trainer, num_updates)
    return list(chain.from_iterable(trainer.run(first, streams.__getitem__, learning_rates)))


@pytest.mark.parametrize(
    ("env_id", "baseline"),
    [("CartPole-v1", "per_step"), ("Pendulum-v1", "value"), ("Pendulum-v1", "leave_one_out")],
)
def test_both_trainers_make_the_same_update_from_the_same_episodes(env_id, baseline):
    environment, policy = make_environment(env_id, max_episode_steps=22)
    first = sample(environment, policy, 6)
    weights = policy.network.get_weights()
    results = []
    for one_program in (True, False):
        size = environment.observation_space.shape[0]
        value = make_value(
            size,
            (8,),
            keras.optimizers.Adam(0.1),
            steps_per_update=3,
            normalize_targets=True,
            chunk_size=4,
        )
        learner = make_compiled_learner(
            policy,
            baseline=value if baseline == "value" else BASELINES[baseline],
            normalize_advantages=baseline == "per_step",
            entropy_coefficient=0.1,
            max_gradient_norm=0.5,
            gamma=0.9,
            reward_scale=0.5,
            bootstrap_truncated=baseline == "value",
        )
        program = CompiledTrainer(learner, environment, 6)
        trainer = program if one_program else make_trainer(learner)
        (record,) = train(trainer, weights, first, 1)
        results.append([*policy.network.get_weights(), *value.network.get_weights(), *record])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert not np.allclose(results[0][0], weights[0], rtol=0, atol=1e-4)


def test_every_update_samples_new_episodes_with_the_current_policy():
    # The last episodes of a run with 5 updates equal those that the policy after 4 updates samples.
    environment, policy = make_environment("Bandit-v0", hidden_sizes=())
    weights = policy.network.get_weights()
    first = sample(environment, policy, 32)
    learner = make_compiled_learner(policy, keras.optimizers.SGD(1.0))
    trainer = CompiledTrainer(learner, environment, 32)
    train(trainer, weights, first, 4)
    assert not np.allclose(policy.network.get_weights()[0], weights[0])
    expected = sample(environment, policy, 32, np.random.SeedSequence([7, 4]))
    records = train(trainer, weights, first, 5)
    assert trainer.last_episodes is not None
    assert trainer.last_episodes.valid.shape == (32, 1)
    for one, other in zip(trainer.last_episodes[:-1], expected, strict=False):
        np.testing.assert_allclose(one[:, :1], other, atol=1e-6)
    np.testing.assert_allclose(records[-1].mean_return, expected.rewards.mean(), rtol=1e-6)
    np.testing.assert_allclose(records[0].mean_return, first.rewards.mean(), rtol=1e-6)


def test_runs_do_not_depend_on_each_other_nor_on_how_updates_are_grouped():
    environment, policy = make_environment("Bandit-v0", hidden_sizes=(4,))
    weights = policy.network.get_weights()
    first = sample(environment, policy, 4)
    results = []
    for updates_per_call in (None, 3):  # None: chosen by time, 1, 2, 4 and 1 of 8
        learner = make_compiled_learner(policy, entropy_coefficient=0.1)
        trainer = CompiledTrainer(learner, environment, 4, updates_per_call=updates_per_call)
        trainer.compile()
        for seed in (7, 8, 7):
            records = train(trainer, weights, first, 8, seed)
            numbers = np.array([[record.update, record.loss, record.entropy] for record in records])
            results.append((numbers, policy.network.get_weights()[0]))
        assert trainer.program.experimental_get_tracing_count() == 1
    for numbers, kernel in (results[2], results[3], results[5]):
        np.testing.assert_array_equal(numbers, results[0][0])
        np.testing.assert_array_equal(kernel, results[0][1])
    assert not np.array_equal(results[1][1], results[0][1])
    assert numbers[:, 0].tolist() == list(range(8))


def test_it_learns_to_balance():
    environment, policy = make_environment("CartPole-v1", (32,), max_episode_steps=100)
    first = sample(environment, policy, 16)
    learner = make_compiled_learner(policy, normalize_advantages=True, gamma=0.99, chunk_size=32)
    trainer = CompiledTrainer(learner, environment, 16)
    records = train(trainer, policy.network.get_weights(), first, 96)
    assert records[0].mean_return < 40
    assert np.mean([record.mean_return for record in records[-10:]]) > 90


@pytest.mark.parametrize(
    ("payout", "error", "message"),
    [
        # The sum of four rewards fits into float32, but not after the learner scales it by 10.
        (5e37, FloatingPointError, "the loss is inf"),
        # The sum of four rewards overflows float32 even before scaling.
        (3e38, EnvironmentFault, "^update 0: expected finite rewards .* a mean return of inf$"),
    ],
)
def test_a_number_that_is_not_finite_stops_the_program_and_is_named(payout, error, message):
    certain = {"probabilities": [1.0, 1.0], "payouts": [payout, payout]}
    environment, policy = make_environment("Bandit-v0", hidden_sizes=(), **certain)
    first = sample(environment, policy, 4)
    learner = make_compiled_learner(policy, baseline=BASELINES["none"], reward_scale=10.0)
    trainer = CompiledTrainer(learner, environment, 4)
    with pytest.raises(error, match=message):
        train(trainer, policy.network.get_weights(), first, 2)


def test_divergence_of_the_policy_is_not_blamed_on_the_environment():
    # If the action is NaN, so is Pendulum's reward.
    nan = np.float32(np.nan)
    statistics = UpdateStatistics(np.int32(3), nan, nan, nan, nan, nan, nan, np.full(2, nan))
    with pytest.raises(DivergenceError, match="^the loss is nan"):
        next(make_records(iter([[statistics]]), 1))


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "MountainCarContinuous-v0", "Pendulum-v1"])
def test_the_program_needs_no_host_and_names_no_device(env_id):
    environment, policy = make_environment(env_id)
    learner = make_compiled_learner(policy, normalize_advantages=True, entropy_coefficient=0.1)
    nodes = operations(CompiledTrainer(learner, environment, 4).program)
    assert len(nodes) > 100
    assert {node.device for node in nodes} == {""}
    assert not {node.op for node in nodes} & HOST_ONLY
    assert not [node.op for node in nodes if "Dataset" in node.op or "Summary" in node.op]


def test_the_number_of_updates_is_chosen_for_calls_of_half_a_second():
    assert choose_updates_per_call(10, 0.4) == 12
    assert choose_updates_per_call(10, 1.0) == 5
    assert choose_updates_per_call(1, 60.0) == 1
    assert choose_updates_per_call(4, 0.0) == 8  # at most doubles
    assert choose_updates_per_call(256, 0.001) == 256
