"""Parameters in the format of params.yaml."""

import copy

from ruamel.yaml import YAML

from pipeline.page.parameters import parameter_listings
from pipeline.task.validation import load_params
from tests.pipeline.small_task import BANDIT, write_params


def listings(folder, task):
    """Read back the parameters that are set, and the defaults."""
    params = load_params(write_params(folder, task=task)).tasks["task"]
    return [YAML(typ="safe").load(text) for text in parameter_listings(params)]


def test_given_parameters_are_as_in_the_file_and_the_others_are_defaults(tmp_path):
    task = copy.deepcopy(BANDIT)
    task["env"]["kwargs"] = {"probabilities": [0.25, 0.5], "payouts": {"high": 1, "low": [0]}}
    task["train"]["value"] = {"activation": "relu"}
    given, defaults = listings(tmp_path, task)
    assert given == task
    assert defaults["env"] == {
        "max_episode_steps": None,
        "action_mask": None,
        "num_copies": None,
    }
    assert defaults["train"]["value"] == {
        "hidden_sizes": [64, 64],
        "optimizer": "adam",
        "learning_rate": 0.003,
        "steps_per_update": 10,
        "normalize_targets": True,
    }
    assert "gamma" not in defaults["train"]
    assert defaults["train"]["learning_rate_schedule"] == "constant"
