"""Warnings about environments, and faults warnings_of by a trial episode."""

import os
import random
import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from environments.diagnostics import find_warnings
from environments.faults import EnvironmentFault
from environments.specification import inspect_environment
from tests.environments import count_to_seven


class Noisy(gymnasium.Env):
    """Observations are drawn by a given function.

    Args:
        draw: Maps the environment to two numbers, as an array.
        dtype: The dtype of observations.
        constant: Called once by the constructor; its result is the reward of each step.
    """

    action_space = spaces.Discrete(2)

    def __init__(self, draw, dtype=np.float64, constant=lambda: 0.0):
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), dtype)
        self.draw, self.dtype, self.constant = draw, dtype, constant()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.random = np.random.default_rng(seed)
        return self.draw(self).astype(self.dtype), {}

    def step(self, _):
        return self.draw(self).astype(self.dtype), self.constant, False, False, {}


gymnasium.register("Noisy-v0", lambda **kwargs: Noisy(**kwargs), max_episode_steps=200)
UNSEEDED = np.random.default_rng()


def warnings_of(**kwargs):
    return find_warnings(inspect_environment("Noisy-v0", kwargs))


@pytest.mark.parametrize(
    "draw",
    [
        lambda env: env.random.normal(size=2),
        lambda _: np.random.normal(size=2),
        lambda _: np.array([random.random(), 1.0]),
    ],
)
def test_seeded_generators_give_no_warning(draw):
    assert warnings_of(draw=draw) == []
    assert warnings_of(draw=lambda env: env.random.normal(size=2), constant=np.random.normal) == []


def test_unseeded_randomness_gives_a_warning():
    (text,) = warnings_of(draw=lambda _: UNSEEDED.normal(size=2))
    assert text.startswith("expected the same episode from the same seed and actions, received")
    (text,) = warnings_of(draw=lambda env: env.random.normal(size=2), constant=UNSEEDED.normal)
    assert "results are not reproducible" in text


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_digits_that_float32_cannot_hold_give_a_warning(dtype):
    def seconds(env):
        return np.array([0.0, 1.7e9]) + env.random.uniform(-1000, 1000, 2)

    (text,) = warnings_of(draw=seconds, dtype=dtype)
    assert re.match(
        r"component 1 of the observation has standard deviation \d{3}, but policies receive it in "
        r"float32, which rounds it by up to 6\d(\.\d)?; subtract a constant in a wrapper",
        text,
    )
    assert warnings_of(draw=lambda env: seconds(env) - [0, 1.7e9], dtype=dtype) == []


@pytest.mark.parametrize(
    "values",
    [
        lambda env: np.full(2, 1.7e9 + 1),  # does not vary
        lambda env: 1 + 1e-16 * env.random.normal(size=2),  # varies by float64's rounding alone
        lambda env: 1e30 * env.random.normal(size=2),
    ],
)
def test_no_lost_digits_give_no_warning(values):
    assert warnings_of(draw=values) == []


def test_a_fault_is_named_with_its_step():
    with pytest.raises(
        EnvironmentFault,
        match="^trial episode, step 0: expected a number as the reward, received float64 of shape",
    ):
        warnings_of(draw=lambda env: env.random.normal(size=2), constant=lambda: np.ones(1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_a_fault(bad):
    with pytest.raises(EnvironmentFault, match="trial episode, step 0: expected a finite obs"):
        warnings_of(draw=lambda _: np.array([0.0, bad]))
    with np.errstate(over="ignore"), pytest.raises(EnvironmentFault, match="a finite reward"):
        warnings_of(draw=lambda _: np.zeros(2), constant=lambda: bad)


def test_a_change_of_the_working_directory_is_a_fault(tmp_path):
    folder = Path.cwd()

    def leave():
        os.chdir(tmp_path)
        return 0.0

    for kwargs in (  # in each step, and in the constructor
        {"draw": lambda _: np.full(2, leave())},
        {"draw": lambda _: np.zeros(2), "constant": leave},
    ):
        with pytest.raises(EnvironmentFault, match=f"working directory.* change to {tmp_path}"):
            warnings_of(**kwargs)
        assert Path.cwd() == folder


@pytest.mark.parametrize("num_counters", [None, 2])
def test_only_legal_actions_are_tried(num_counters):
    kwargs = {"num_counters": num_counters}
    masked = inspect_environment(count_to_seven.ID, kwargs, 10, "action_mask")
    assert find_warnings(masked) == []
    with pytest.raises(EnvironmentFault, match="trial episode, step .* is illegal"):
        find_warnings(inspect_environment(count_to_seven.ID, kwargs, 10))
