"""Parameters as params.yaml has them."""

import copy
import html
import re

from ruamel.yaml import YAML

from pipeline.page.parameters import parameters
from pipeline.parameters.validation import load_params
from tests.pipeline.task import BANDIT, write_params


def listings(folder, task):
    """What is set, and what is left out, read back."""
    params = load_params(write_params(folder, task=task)).tasks["task"]
    texts = re.findall(r"<pre><code>(.*?)</code></pre>", parameters(params), re.DOTALL)
    return [YAML(typ="safe").load(html.unescape(text)) for text in texts]


def test_what_is_set_stands_as_in_the_file_and_the_rest_is_folded_away(tmp_path):
    task = copy.deepcopy(BANDIT)
    task["env"]["kwargs"] = {"probabilities": [0.25, 0.5], "payouts": {"high": 1, "low": [0]}}
    task["train"]["value"] = {"activation": "relu"}
    given, defaults = listings(tmp_path, task)
    assert given == task
    assert defaults["env"] == {"max_episode_steps": None}
    assert defaults["train"]["value"] == {
        "hidden_sizes": [64, 64],
        "optimizer": "adam",
        "learning_rate": 0.003,
        "steps_per_update": 10,
        "normalize_targets": True,
    }
    assert "gamma" not in defaults["train"]
    assert defaults["train"]["learning_rate_schedule"] == "constant"


def test_folded_means_details(tmp_path):
    params = load_params(write_params(tmp_path, task=BANDIT)).tasks["task"]
    shown, _, folded = parameters(params).partition("<details>")
    assert "learning_rate: 0.05" in shown
    assert "reward_scale: 1.0" in folded
    assert "reward_scale" not in shown


def test_it_is_escaped(tmp_path):
    task = copy.deepcopy(BANDIT)
    task["env"]["kwargs"] = {"name": "</code><script>"}
    shown = parameters(load_params(write_params(tmp_path, task=task)).tasks["task"])
    assert "&lt;/code&gt;&lt;script&gt;" in shown
    assert "<script" not in shown
