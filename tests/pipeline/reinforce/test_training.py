"""One run of REINFORCE."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
from gymnasium import spaces

from pipeline.reinforce.training import SampledTraining
from tests.pipeline.reinforce.test_learner import make_episodes, make_learner, make_policy


def bandit_episodes(policy, arms, rewards):
    """One-step episodes with the log-probabilities of `policy` as it stands."""
    episodes = make_episodes(
        np.ones((len(arms), 1)), np.array(arms)[:, None], np.array(rewards)[:, None]
    )
    log_probs = policy.distribution(episodes.observations).log_prob(episodes.actions)
    return episodes._replace(log_probs=log_probs.numpy())


def train_run(learner, first, sample, num_updates):
    """With the number of the update for a seed."""
    training = SampledTraining(learner, lambda: nullcontext(lambda seed: sample(seed.entropy)))
    return training.train_run(first, np.random.SeedSequence, num_updates)


def test_every_update_learns_from_episodes_of_the_policy_as_it_is_then():
    policy = make_policy(spaces.Discrete(2))
    learner = make_learner(policy, keras.optimizers.SGD(1.0))
    first = bandit_episodes(policy, [0, 1], [0.0, 1.0])
    sampled = []

    def sample(update):
        episodes = bandit_episodes(policy, [0, 1], [0.0, float(update)])
        sampled.append((update, episodes))
        return episodes

    records = list(train_run(learner, first, sample, 4))
    assert [update for update, _ in sampled] == [1, 2, 3]
    # Each update has made the rewarded arm more probable before the next batch was sampled …
    scores = [first.log_probs[1, 0]] + [episodes.log_probs[1, 0] for _, episodes in sampled]
    assert np.all(np.diff(scores) > 0)
    # … and learnt from that batch: (0 + reward) / 2, the first batch's reward being 1.
    assert [record.mean_return for record in records] == [0.5, 0.5, 1.0, 1.5]


def test_records_count_updates_episodes_and_steps():
    policy = make_policy(spaces.Discrete(2))
    first = make_episodes(
        [[1, 1], [1, 0]], [[0, 1], [1, 0]], [[1, 2], [4, 9]], [[True, True], [True, False]]
    )
    records = list(train_run(make_learner(policy), first, lambda _: first, 3))
    assert [record.update for record in records] == [0, 1, 2]
    assert [record.num_episodes for record in records] == [2, 4, 6]
    assert [record.num_env_steps for record in records] == [3, 6, 9]
    assert {record.mean_return for record in records} == {3.5}  # (1 + 2 + 4) / 2


def test_a_loss_that_is_not_finite_stops_training():
    policy = make_policy(spaces.Discrete(2))
    good = bandit_episodes(policy, [0], [1.0])
    bad = bandit_episodes(policy, [0], [np.inf])
    updates = train_run(make_learner(policy), good, lambda _: bad, 5)
    next(updates)
    with pytest.raises(FloatingPointError, match="the loss is inf"):
        next(updates)


def test_a_run_does_not_depend_on_the_one_before_it():
    policy = make_policy(spaces.Discrete(2))
    learner = make_learner(policy, keras.optimizers.Adam(0.1))
    weights = policy.network.get_weights()
    episodes = bandit_episodes(policy, [0, 1], [0.0, 1.0])
    finals = []
    for _ in range(2):
        policy.network.set_weights(weights)
        list(train_run(learner, episodes, lambda _: episodes, 3))
        finals.append(policy.network.get_weights())
    for first, second in zip(*finals, strict=True):
        np.testing.assert_array_equal(first, second)
