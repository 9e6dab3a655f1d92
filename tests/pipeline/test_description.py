"""Descriptions of spaces for spec.json."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from pipeline.description import describe_flattening, describe_space
from tests.environments.made_up import EVERYTHING


def test_the_description_says_how_to_flatten_an_observation():
    observation = EVERYTHING.sample()
    flat = np.asarray(spaces.flatten(EVERYTHING, observation))
    parts = describe_flattening(EVERYTHING)
    # Encoded by hand from the description: numbers and bits unchanged, integers one-hot.
    encoded: dict[str, Callable[[Any], np.ndarray]] = {
        "its numbers, row by row": np.ravel,
        "its bits, row by row": np.ravel,
        "one-hot: 1 at the value less start, else 0": lambda value: np.eye(4)[value - 2],
        "each component in turn, row by row, one-hot: 1 at its value less its start": lambda v: (
            np.concatenate([np.eye(2)[v[0]], np.eye(3)[v[1]]])
        ),
    }
    assert [part["path"] for part in parts] == [
        ["position"], ["color"], ["place", 0], ["place", 1], ["switches"]
    ]  # fmt: skip
    end = 0
    for part in parts:
        value: Any = observation
        for key in part["path"]:
            value = value[key]
        start, end = part["components"]
        np.testing.assert_array_equal(flat[start:end], encoded[part["encoding"]](value))
    assert end == len(flat)


def test_the_description_of_a_space_is_json():
    description = json.loads(json.dumps(describe_space(EVERYTHING)))
    assert description["type"] == "Dict"
    assert description["spaces"]["place"] == {
        "type": "Tuple",
        "spaces": [
            {"type": "Discrete", "n": 4, "start": 2},
            {"type": "MultiDiscrete", "nvec": [2, 3], "start": [0, 0]},
        ],
    }
    assert description["spaces"]["switches"] == {"type": "MultiBinary", "shape": [3]}
    assert description["spaces"]["position"]["shape"] == [2, 3]


def test_a_subclass_is_described_as_its_gymnasium_space():
    class Mine(spaces.Box):
        pass

    mine = Mine(-1, 1, (2,))
    assert describe_space(mine)["type"] == "Box"
    assert describe_flattening(mine)[0]["components"] == [0, 2]
