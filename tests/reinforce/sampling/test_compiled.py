"""Sampling in an XLA program."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from reinforce.episodes import Episodes
from reinforce.sampling.compiled import CompiledSampler, empty_episodes, sample_into
from reinforce.tuning import CPU, GPU, tuned_for
from tests.environments.count_to_seven import CompiledCountToSeven
from tests.reinforce.examples import SEED, make_environment, make_policy


@pytest.fixture(scope="module", params=[CPU, GPU], ids=["cpu", "gpu"])
def sampled(request):
    """Return a sampler for CartPole, its policy, and its episodes of up to 30 steps."""
    environment, policy = make_environment("CartPole-v1", max_episode_steps=30)
    sampler = CompiledSampler(environment, policy, 64)
    with tuned_for(request.param):
        return sampler, policy, sampler.sample(SEED)


def test_episodes_are_complete_and_padding_is_not_valid(sampled):
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


def test_episodes_follow_the_gymnasium_environment(sampled):
    # The same initial state and the same actions lead to the same observations.
    _, _, episodes = sampled
    env = gymnasium.make("CartPole-v1")
    for episode in range(8):
        env.reset(seed=0)
        env.unwrapped.state = episodes.observations[episode, 0].astype(np.float64)  # type: ignore[attr-defined]
        for t in range(episodes.num_steps[episode]):
            following, _, terminated, _, _ = env.step(episodes.actions[episode, t])
            assert terminated == episodes.terminated[episode, t]
            if not terminated and t + 1 < episodes.num_steps[episode]:
                received = episodes.observations[episode, t + 1]
                np.testing.assert_allclose(received, following, atol=1e-5)


def test_actions_are_sampled_from_the_policy(sampled):
    _, policy, episodes = sampled
    distribution = policy.distribution(episodes.observations)
    expected = distribution.log_prob(episodes.actions).numpy()
    np.testing.assert_allclose(
        episodes.log_probs[episodes.valid], expected[episodes.valid], atol=1e-5
    )
    # For draws with probabilities p, Σ a is within 4 standard deviations, Σ p ± 4 √(Σ p (1 − p)).
    p = distribution.probs_parameter().numpy()[..., 1][episodes.valid]
    chosen = episodes.actions[episodes.valid]
    assert abs(chosen.sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())
    assert abs(np.corrcoef(chosen[:-1], chosen[1:])[0, 1]) < 0.15


def test_noise_is_never_reused():
    # Each of 32 copies runs two episodes of 96 steps, one after the other. Noise is drawn for 32
    # steps at a time. Correlations of 32 pairs are ± 0.18, those of 6,000 pairs ± 0.013.
    environment, policy = make_environment("Pendulum-v1", max_episode_steps=96)
    episodes = CompiledSampler(environment, policy, 64).sample(SEED)
    normal = policy.distribution(episodes.observations)
    noise = (episodes.actions - normal.mean()) / normal.stddev()  # [64, 96, 1]
    parts = np.reshape(noise, (64 * 3, 32))
    assert np.abs(np.corrcoef(parts) - np.eye(len(parts))).max() < 0.9
    assert abs(np.mean(parts)) < 0.06
    assert abs(np.std(parts) - 1) < 0.04
    for before, after in [(parts[:, :-1], parts[:, 1:]), (parts[:-1], parts[1:])]:
        assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.06


def test_the_seed_determines_the_episodes(sampled):
    sampler, _, episodes = sampled
    again, other = sampler.sample(SEED), sampler.sample(np.random.SeedSequence(4))
    for one, two in zip(episodes, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(other.observations[:, 0], episodes.observations[:, 0])


def sample_eagerly(environment, policy, num_episodes):
    """Return episodes, and the number of environment copies in each step."""
    steps = []
    step = environment.step

    def count_copies(state, actions):
        steps.append(len(actions))
        return step(state, actions)

    environment.step = count_copies
    into = empty_episodes(policy, num_episodes, environment.max_episode_steps)
    return sample_into(into, environment, policy, tf.constant([1, 2])), steps


def test_sampling_stops_with_the_last_episode():
    environment, policy = make_environment("CartPole-v1")
    episodes, steps = sample_eagerly(environment, policy, 4)
    assert len(steps) == np.sum(episodes.valid, axis=1).max() < 200
    assert set(steps) == {4}
    assert episodes.valid.shape == (4, 500)


def test_a_free_copy_starts_the_next_episode():
    # 256 episodes in 64 copies. If the copies waited for each other, each round would take as many
    # steps as its longest episode.
    environment, policy = make_environment("CartPole-v1")
    episodes, steps = sample_eagerly(environment, policy, 256)
    lengths = np.sum(episodes.valid, axis=1)
    assert set(steps) == {64}
    assert len(steps) < lengths.reshape(4, 64).max(axis=1).sum()
    assert lengths.sum() / 64 < len(steps) <= lengths.sum() / 64 + lengths.max()


def test_the_first_episodes_to_start_are_kept_not_the_first_to_end():
    # The first to end would be the short ones.
    environment, policy = make_environment("CartPole-v1")
    initial = environment.observe(environment.reset(256, tf.constant([2, 2])))
    episodes, _ = sample_eagerly(environment, policy, 256)
    np.testing.assert_array_equal(episodes.observations[:, 0], initial)


def test_a_batch_may_be_overwritten_by_the_next():
    environment, policy = make_environment("Pendulum-v1", max_episode_steps=5)
    seed = tf.constant([1, 2])
    once = sample_into(empty_episodes(policy, 3, 5), environment, policy, seed)
    twice = sample_into(once, environment, policy, seed + 7)
    again = sample_into(twice, environment, policy, seed)
    unwanted = sample_into(twice, environment, policy, seed, wanted=tf.constant(False))
    for first, second, third, kept in zip(once, twice, again, unwanted, strict=True):
        np.testing.assert_array_equal(third, first)
        np.testing.assert_array_equal(kept, second)
    assert not np.array_equal(twice.observations, once.observations)


def test_a_policy_that_is_not_finite_is_refused():
    environment, policy = make_environment("Bandit-v0", hidden_sizes=())
    policy.network.set_weights([np.full(w.shape, np.nan) for w in policy.network.get_weights()])
    with pytest.raises(FloatingPointError, match="log-probabilities are not finite"):
        CompiledSampler(environment, policy, 4).sample(SEED)


def test_episodes_have_the_dtypes_of_the_layout(sampled):
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
        "float32",
    ]


@pytest.mark.parametrize("num_episodes", [3, 256])  # without and with copies that start again
def test_the_observation_after_the_last_step_is_recorded_unless_it_is_terminal(num_episodes):
    environment = CompiledCountToSeven(max_episode_steps=2)
    policy = make_policy(environment.action_space)
    episodes, _ = sample_eagerly(environment, policy, num_episodes)
    last = np.arange(num_episodes), np.sum(episodes.valid, axis=1) - 1
    counts = episodes.observations.numpy()[last][:, 0] + episodes.actions.numpy()[last] + 1
    is_terminal = episodes.terminated.numpy()[last]
    assert 0 < is_terminal.mean() < 1
    np.testing.assert_array_equal(
        episodes.final_observations[:, 0], np.where(is_terminal, 0, counts)
    )
