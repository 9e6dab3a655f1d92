"""Sampling and training in one XLA program."""

from contextlib import nullcontext

import gymnasium
import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.assembly.policies import make_policy
from pipeline.environments.compiled import make_compiled
from pipeline.environments.specification import inspect_environment
from pipeline.parameters.schema import PolicyParams
from pipeline.reinforce.compiled import CompiledTraining, compile_sampler
from pipeline.reinforce.compiled_sampling import as_episodes, no_episodes, sample_episodes
from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.learner import Learner
from pipeline.reinforce.training import SampledTraining
from tests.pipeline.reinforce.test_learner import DEFAULTS
from tests.pipeline.reinforce.test_value import make_value

SEED = np.random.SeedSequence(3)


def make(env_id, hidden_sizes=(8,), max_episode_steps=None, **kwargs):
    """A compiled environment and a policy for it."""
    specification = inspect_environment(env_id, kwargs, max_episode_steps)
    params = PolicyParams(hidden_sizes=hidden_sizes, activation="tanh")
    return make_compiled(specification), make_policy(params, specification, SEED)


def make_learner(policy, optimizer=None, **changed):
    options = DEFAULTS | {"baseline": "per_step", "chunk_size": 4} | changed
    return Learner(policy, optimizer or keras.optimizers.Adam(0.01), **options)


@pytest.fixture(scope="module")
def sampled():
    """CartPole's environment, a policy, and episodes of it; at most 30 steps."""
    environment, policy = make("CartPole-v1", max_episode_steps=30)
    return environment, policy, compile_sampler(environment, policy, 64)(SEED)


def test_episodes_are_complete_and_their_padding_is_empty(sampled):
    _, _, episodes = sampled
    num_steps = episodes.num_steps
    assert len(set(num_steps)) > 5
    assert num_steps.max() == episodes.valid.shape[1] == 30
    steps = np.arange(30)
    np.testing.assert_array_equal(episodes.valid, steps < num_steps[:, None])
    last = steps == num_steps[:, None] - 1
    np.testing.assert_array_equal(episodes.terminated | episodes.truncated, last)
    assert episodes.truncated.any()
    assert not episodes.truncated[num_steps < 30].any()
    np.testing.assert_array_equal(episodes.rewards[episodes.valid], 1)


def test_episodes_are_those_of_gymnasium(sampled):
    # The same first observation and the same actions lead through the same observations.
    _, _, episodes = sampled
    env = gymnasium.make("CartPole-v1")
    for episode in range(8):
        env.reset(seed=0)
        env.unwrapped.state = episodes.observations[episode, 0].astype(np.float64)  # type: ignore[attr-defined]
        for t in range(episodes.num_steps[episode]):
            after, _, terminated, _, _ = env.step(episodes.actions[episode, t])
            assert terminated == episodes.terminated[episode, t]
            if not terminated and t + 1 < episodes.num_steps[episode]:
                np.testing.assert_allclose(episodes.observations[episode, t + 1], after, atol=1e-5)


def test_actions_are_the_policys(sampled):
    _, policy, episodes = sampled
    distribution = policy.distribution(episodes.observations)
    expected = distribution.log_prob(episodes.actions).numpy()
    np.testing.assert_allclose(
        episodes.log_probs[episodes.valid], expected[episodes.valid], atol=1e-5
    )
    # Of n draws with probabilities p, Σ a is Σ p ± 4 √(Σ p (1 − p)).
    p = distribution.probs_parameter().numpy()[..., 1][episodes.valid]
    chosen = episodes.actions[episodes.valid]
    assert abs(chosen.sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())
    assert abs(np.corrcoef(chosen[:-1], chosen[1:])[0, 1]) < 0.15


def test_no_chance_is_used_twice():
    # Two episodes after each other in each of 32 copies, of three times 32 steps, for which noise
    # is drawn at a time. Of 32 pairs, correlations are ± 0.18; of 6,000, ± 0.013.
    environment, policy = make("Pendulum-v1", max_episode_steps=96)
    episodes = compile_sampler(environment, policy, 64)(SEED)
    normal = policy.distribution(episodes.observations)
    noise = (episodes.actions - normal.mean()) / normal.stddev()  # [64, 96, 1]
    parts = np.reshape(noise, (64 * 3, 32))
    assert np.abs(np.corrcoef(parts) - np.eye(len(parts))).max() < 0.9
    assert abs(np.mean(parts)) < 0.06
    assert abs(np.std(parts) - 1) < 0.04
    for before, after in [(parts[:, :-1], parts[:, 1:]), (parts[:-1], parts[1:])]:
        assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.06


def test_the_seed_determines_the_episodes(sampled):
    environment, policy, episodes = sampled
    sample = compile_sampler(environment, policy, 64)
    again, other = sample(SEED), sample(np.random.SeedSequence(4))
    for one, two in zip(episodes, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(other.observations[:, 0], episodes.observations[:, 0])


def sample_eagerly(made, num_episodes):
    """Episodes, and how many copies of the environment each step went through."""
    environment, policy = made
    steps = []
    step = environment.step

    def counted(state, actions):
        steps.append(len(actions))
        return step(state, actions)

    environment.step = counted
    place = no_episodes(environment, policy, num_episodes)
    sampled = sample_episodes(environment, policy, tf.constant([1, 2]), place)
    return as_episodes(sampled), steps


def test_sampling_stops_with_the_last_episode():
    episodes, steps = sample_eagerly(make("CartPole-v1"), 4)
    assert len(steps) == np.sum(episodes.valid, axis=1).max() < 200
    assert set(steps) == {4}
    assert episodes.valid.shape == (4, 500)


def test_a_copy_that_is_free_takes_the_next_episode():
    # 256 episodes in 64 copies; if all of them waited for the longest of each round, it would take
    # as many steps as the longest of each round together.
    episodes, steps = sample_eagerly(make("CartPole-v1"), 256)
    lengths = np.sum(episodes.valid, axis=1)
    assert set(steps) == {64}
    assert len(steps) < lengths.reshape(4, 64).max(axis=1).sum()
    assert lengths.sum() / 64 < len(steps) <= lengths.sum() / 64 + lengths.max()


def test_episodes_are_kept_by_when_they_begin_not_by_when_they_end():
    # Kept as they end, short ones would be preferred.
    environment, policy = make("CartPole-v1")
    initial = environment.observe(environment.reset(256, tf.constant([2, 2])))
    episodes, _ = sample_eagerly((environment, policy), 256)
    np.testing.assert_array_equal(episodes.observations[:, 0], initial)


def test_another_batch_takes_the_place_of_the_first():
    environment, policy = make("Pendulum-v1", max_episode_steps=5)
    seed = tf.constant([1, 2])
    place = no_episodes(environment, policy, 3)
    once = sample_episodes(environment, policy, seed, place)
    twice = sample_episodes(environment, policy, seed + 7, once)
    again = sample_episodes(environment, policy, seed, twice)
    unwanted = sample_episodes(environment, policy, seed, twice, wanted=tf.constant(False))
    for first, second, third, kept in zip(once, twice, again, unwanted, strict=True):
        np.testing.assert_array_equal(third, first)
        np.testing.assert_array_equal(kept, second)
    assert not np.array_equal(twice.observations, once.observations)


def updates(environment, policy, weights, learner, first, num_updates, seed=7):
    """Weights and records after a run of CompiledTraining."""
    policy.network.set_weights(weights)
    training = CompiledTraining(environment, learner, len(first.valid))
    records = list(
        training.train_run(first, lambda u: np.random.SeedSequence([seed, u]), num_updates)
    )
    return policy.network.get_weights(), records, training


@pytest.mark.parametrize(
    ("env_id", "baseline"),
    [("CartPole-v1", "per_step"), ("CartPole-v1", "value"), ("Pendulum-v1", "leave_one_out")],
)
def test_an_update_is_the_one_that_gymnasiums_episodes_get(env_id, baseline):
    environment, policy = make(env_id, max_episode_steps=22)
    first = compile_sampler(environment, policy, 6)(SEED)
    weights = policy.network.get_weights()
    results = []
    for one_program in (True, False):
        size = environment.observation_space.shape[0]
        judge = make_value(size, (8,), keras.optimizers.Adam(0.1), 3, True)
        judge.chunk_size = 4
        learner = make_learner(
            policy,
            baseline=judge if baseline == "value" else baseline,
            normalize_advantages=baseline == "per_step",
            entropy_coefficient=0.1,
            max_gradient_norm=0.5,
            gamma=0.9,
            reward_scale=0.5,
        )
        policy.network.set_weights(weights)
        if one_program:
            training = CompiledTraining(environment, learner, 6)
            (record,) = training.train_run(first, lambda _: SEED, 1)
        else:
            (record,) = SampledTraining(learner, lambda: nullcontext(lambda _: first)).train_run(
                first, lambda _: SEED, 1
            )
        results.append([*policy.network.get_weights(), *judge.network.get_weights(), *record])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert not np.allclose(results[0][0], weights[0], rtol=0, atol=1e-4)


def test_every_update_samples_anew_with_the_policy_as_it_is():
    # The last episodes of a run of 5 updates are those that the policy after 4 of them samples.
    environment, policy = make("Bandit-v0", hidden_sizes=())
    weights = policy.network.get_weights()
    first = compile_sampler(environment, policy, 32)(SEED)
    learner = make_learner(policy, keras.optimizers.SGD(1.0))
    after_4, *_ = updates(environment, policy, weights, learner, first, 4)
    expected = compile_sampler(environment, policy, 32)(np.random.SeedSequence([7, 4]))
    _, records, training = updates(environment, policy, weights, learner, first, 5)
    assert training.last_episodes is not None
    assert training.last_episodes.valid.shape == (32, 1)
    for one, other in zip(training.last_episodes, expected, strict=True):
        np.testing.assert_allclose(one[:, :1], other, atol=1e-6)
    np.testing.assert_allclose(records[-1].mean_return, expected.rewards.mean(), rtol=1e-6)
    np.testing.assert_allclose(records[0].mean_return, first.rewards.mean(), rtol=1e-6)
    assert not np.allclose(after_4[0], weights[0])


def test_runs_do_not_depend_on_each_other_nor_on_how_updates_are_grouped():
    environment, policy = make("Bandit-v0", hidden_sizes=(4,))
    weights = policy.network.get_weights()
    first = compile_sampler(environment, policy, 4)(SEED)
    results = []
    for updates_per_call in (32, 3):
        learner = make_learner(policy, entropy_coefficient=0.1)
        training = CompiledTraining(environment, learner, 4, updates_per_call)
        for seed in (7, 8, 7):
            policy.network.set_weights(weights)
            streams = [np.random.SeedSequence([seed, u]) for u in range(40)]
            records = training.train_run(first, streams.__getitem__, 8)
            numbers = np.array([[record.update, record.loss, record.entropy] for record in records])
            results.append((numbers, policy.network.get_weights()[0]))
        assert training.program.experimental_get_tracing_count() == 1
    for numbers, kernel in (results[2], results[3], results[5]):
        np.testing.assert_array_equal(numbers, results[0][0])
        np.testing.assert_array_equal(kernel, results[0][1])
    assert not np.array_equal(results[1][1], results[0][1])
    assert numbers[:, 0].tolist() == list(range(8))


def test_it_learns_to_balance():
    environment, policy = make("CartPole-v1", hidden_sizes=(32,), max_episode_steps=100)
    first = compile_sampler(environment, policy, 16)(SEED)
    learner = make_learner(policy, normalize_advantages=True, gamma=0.99, chunk_size=32)
    weights = policy.network.get_weights()
    _, records, _ = updates(environment, policy, weights, learner, first, 96)
    assert records[0].mean_return < 40
    assert np.mean([record.mean_return for record in records[-10:]]) > 90


def test_a_loss_that_is_not_finite_stops_training():
    # Every pull pays 3e38, and the loss sums four of them: beyond float32.
    certain = {"probabilities": [1.0, 1.0], "payouts": [3e38, 3e38]}
    environment, policy = make("Bandit-v0", hidden_sizes=(), **certain)
    first = compile_sampler(environment, policy, 4)(SEED)
    learner = make_learner(policy, baseline="none")
    with pytest.raises(FloatingPointError, match="the loss is inf"):
        updates(environment, policy, policy.network.get_weights(), learner, first, 2)


def test_a_policy_that_is_not_finite_samples_nothing():
    environment, policy = make("Bandit-v0", hidden_sizes=())
    policy.network.set_weights([np.full(w.shape, np.nan) for w in policy.network.get_weights()])
    with pytest.raises(FloatingPointError, match="log-probabilities are not finite"):
        compile_sampler(environment, policy, 4)(SEED)


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "MountainCarContinuous-v0", "Pendulum-v1"])
def test_the_program_needs_no_host_and_names_no_device(env_id):
    environment, policy = make(env_id)
    learner = make_learner(policy, normalize_advantages=True, entropy_coefficient=0.1)
    graph = CompiledTraining(environment, learner, 4).program.get_concrete_function().graph
    functions = graph.as_graph_def().library.function
    nodes = [*graph.as_graph_def().node, *(node for f in functions for node in f.node_def)]
    assert len(nodes) > 100
    assert {node.device for node in nodes} == {""}
    host_only = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "Print", "PrintV2", "Assert"}
    assert not {node.op for node in nodes} & host_only
    assert not [node.op for node in nodes if "Dataset" in node.op or "Summary" in node.op]


def test_episodes_have_the_fields_of_all_episodes(sampled):
    *_, episodes = sampled
    assert isinstance(episodes, Episodes)
    assert [np.asarray(values).dtype.name for values in episodes] == [
        "float32",
        "int64",
        "float32",
        "float32",
        "bool",
        "bool",
        "bool",
    ]


def test_a_call_makes_more_updates_where_they_are_small():
    def of_a_call(hidden_sizes, num_episodes, updates_per_call=None):
        environment, policy = make("CartPole-v1", hidden_sizes)  # at most 500 steps
        learner = make_learner(policy)
        training = CompiledTraining(environment, learner, num_episodes, updates_per_call)
        return training.program.input_signature[0].shape[0]

    assert [of_a_call((64, 64), num_episodes) for num_episodes in (8, 64, 512)] == [256, 58, 32]
    assert of_a_call((256, 256), 8) == 32
    assert of_a_call((64, 64), 8, updates_per_call=3) == 3
