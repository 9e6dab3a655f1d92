"""Discounted returns, compared with numbers worked out by hand and with a slow loop."""

import numpy as np
import pytest

from reinforce.returns import discounted_returns
from reinforce.tuning import CPU, GPU, tuned_for


def slow_returns(rewards, valid, gamma):
    """Compute the recurrence G_t = r_t + γ G_{t+1} one step at a time, for testing only."""
    returns = np.zeros(rewards.shape)
    for episode in range(rewards.shape[0]):
        following = 0.0
        for step in reversed(range(rewards.shape[1])):
            if valid[episode, step]:
                following = rewards[episode, step] + gamma * following
                returns[episode, step] = following
    return returns


def test_three_steps_by_hand():
    # First episode: G_2 = 3, G_1 = 2 + 0.9 · 3 = 4.7, G_0 = 1 + 0.9 · 4.7 = 5.23.
    # Second episode: G_2 = 0, G_1 = 0, G_0 = 1.
    rewards = np.array([[1, 2, 3], [1, 0, 0]], np.float32)
    returns = discounted_returns(rewards, np.ones((2, 3), bool), 0.9)
    np.testing.assert_allclose(returns, [[5.23, 4.7, 3.0], [1.0, 0.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("sizes", [CPU, GPU], ids=["by recurrence", "by doubling"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("num_steps", [1, 2, 7, 64, 65, 500])
def test_agrees_with_a_slow_loop(gamma, num_steps, sizes):
    generator = np.random.default_rng(num_steps)
    rewards = generator.normal(size=(5, num_steps))  # float64: the tolerance is the loop's rounding
    lengths = generator.integers(1, num_steps + 1, size=5)
    valid = np.arange(num_steps) < lengths[:, None]
    with tuned_for(sizes):
        returns = discounted_returns(rewards, valid, gamma)
    np.testing.assert_allclose(returns, slow_returns(rewards, valid, gamma), rtol=1e-9, atol=1e-11)


def test_padding_does_not_count():
    # A reward of 7 after the end of the episode must not affect earlier steps.
    rewards, valid = np.array([[1.0, 7.0]]), np.array([[True, False]])
    np.testing.assert_array_equal(discounted_returns(rewards, valid, 1.0), [[1, 0]])


@pytest.mark.parametrize(
    ("rewards", "valid"), [(np.ones(3), np.ones(3, bool)), (np.ones((3, 3)), np.ones(3, bool))]
)
def test_arguments_without_a_step_axis_are_refused(rewards, valid):
    with pytest.raises(ValueError, match="invalid shape"):
        discounted_returns(rewards, valid, 0.9)


def test_integer_rewards_are_refused():
    with pytest.raises(TypeError, match="invalid dtype for `rewards`"):
        discounted_returns(np.ones((1, 3), int), np.ones((1, 3), bool), 0.9)
