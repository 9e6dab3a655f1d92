"""The bandit as a Gymnasium environment."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

import environments.specification  # noqa: F401  registers Bandit-v0


def pull(arm, num_pulls=4000, **kwargs):
    """Return the rewards of `num_pulls` episodes on one arm."""
    env = gymnasium.make("Bandit-v0", **kwargs)
    env.reset(seed=0)
    rewards = []
    for _ in range(num_pulls):
        observation, reward, terminated, truncated, _ = env.step(arm)
        assert (observation.tolist(), terminated, truncated) == ([1.0], True, True)
        rewards.append(reward)
        env.reset()
    return np.array(rewards)


@pytest.mark.filterwarnings("ignore:.*reset.*seed:UserWarning")
def test_it_passes_gymnasiums_checker():
    check_env(gymnasium.make("Bandit-v0").unwrapped, skip_render_check=True)


def test_by_default_two_arms_win_with_probabilities_0_3_and_0_7():
    assert gymnasium.make("Bandit-v0").action_space == spaces.Discrete(2)
    # Four standard errors of a mean of 4,000 pulls: 4 · √(0.21 / 4,000) = 0.029.
    assert abs(pull(0).mean() - 0.3) < 0.029
    assert abs(pull(1).mean() - 0.7) < 0.029
    assert set(pull(1)) == {0, 1}


def test_any_number_of_arms_with_any_probabilities_and_payouts():
    arms = {"probabilities": [0, 1, 0.5], "payouts": [1, 3, -2]}
    assert set(pull(0, 100, **arms)) == {0}
    assert set(pull(1, 100, **arms)) == {3}
    assert set(pull(2, 100, **arms)) == {0, -2}


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"probabilities": []}, "Received no `probabilities`"),
        ({"probabilities": [0.3, 1.2]}, "expected numbers between 0 and 1"),
        ({"probabilities": [0.3, float("nan")]}, "expected numbers between 0 and 1"),
        ({"probabilities": 0.3}, "expected a list of numbers"),
        ({"probabilities": ["a"]}, "expected a list of numbers"),
        ({"payouts": [1]}, "expected 2 finite numbers"),
        ({"payouts": [1, float("inf")]}, "expected 2 finite numbers"),
    ],
)
def test_mistakes_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        gymnasium.make("Bandit-v0", **kwargs)
