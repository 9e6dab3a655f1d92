"""Flattening of observations, and faults in them."""

import re

import numpy as np
import pytest
from gymnasium import spaces

from environments.faults import EnvironmentFault
from environments.flattening import flatten

MATRIX = spaces.Box(-1, 1, (2, 3))
NESTED = spaces.Dict(a=spaces.Tuple([MATRIX, spaces.Discrete(3, start=1)]))


@pytest.mark.parametrize(
    ("space", "observation", "vector"),
    [
        (spaces.Discrete(3, start=-2), -2, [1, 0, 0]),
        (spaces.Discrete(2), np.True_, [0, 1]),
        (spaces.MultiDiscrete([2, 2], start=[0, 5]), np.array([1, 5], np.int8), [0, 1, 1, 0]),
        (spaces.MultiBinary(2), [True, False], [1, 0]),
        (spaces.Box(0, 255, (1, 2), np.uint8), np.array([[3.0, 255.0]]), [3, 255]),
        (spaces.Box(-1, 1, (1, 2)), [[5, 0.5]], [5, 0.5]),  # outside its bounds
        (NESTED, {"a": (np.eye(2, 3), 1), "more": None}, [1, 0, 0, 0, 1, 0, 1, 0, 0]),
    ],
)
def test_an_observation_becomes_a_vector(space, observation, vector):
    assert flatten(space, observation).tolist() == vector


@pytest.mark.parametrize(
    ("space", "observation", "received"),
    [
        (spaces.Discrete(3), -1, "-1"),
        (spaces.Discrete(3, start=1), 4, "4"),
        (spaces.Discrete(3), 1.0, "1.0"),
        (spaces.Discrete(3), None, "None of type NoneType"),
        (spaces.MultiDiscrete([2, 3]), [2, 0], "[2 0]"),
        (spaces.MultiDiscrete([2, 3]), [0, -1], "[ 0 -1]"),
        (spaces.MultiBinary(2), [0.5, 1], "[0.5 1. ]"),
        (spaces.Box(0, 255, (1, 2), np.uint8), [[0.5, np.nan]], "[[0.5 nan]]"),
        (MATRIX, np.zeros((3, 2)), "float64 of shape (3, 2)"),
        (MATRIX, np.zeros(6), "float64 of shape (6,)"),
    ],
)
def test_an_observation_outside_its_space_is_named(space, observation, received):
    message = f"expected .* as the observation, received {re.escape(received)}$"
    with pytest.raises(EnvironmentFault, match=message):
        flatten(space, observation)
    with pytest.raises(EnvironmentFault, match=message.replace("ion,", "ion's part 1,")):
        flatten(spaces.Tuple([MATRIX, space]), (np.zeros((2, 3)), observation))


@pytest.mark.parametrize("observation", [{}, {"a": (np.eye(2, 3),)}, {"a": 1}, 3, None])
def test_a_missing_part_is_named(observation):
    with pytest.raises(EnvironmentFault, match="expected the part ('a'|1|0) in .*, found none"):
        flatten(NESTED, observation)
