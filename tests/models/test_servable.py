"""The SavedModel: the same policy, in TensorFlow alone, with the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from models.heads import make_head
from models.policy import Policy, make_network
from models.servable import save

REPOSITORY = Path(__file__).parents[2]
SPACES = {
    "discrete": spaces.Discrete(3, start=2),
    "box": spaces.Box(np.array([-0.5, -np.inf], "f4"), np.array([0.5, np.inf], "f4")),
    "box of rank 2": spaces.Box(-1, 1, (2, 2)),
}
OBSERVATIONS = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
SEED = np.array([11, 12], np.int32)


def make_policy(space):
    head = make_head(space)
    policy = Policy(make_network(4, [8], "tanh", head, np.random.SeedSequence(0)), head, 4)
    generator = np.random.default_rng(1)  # far from indifferent
    policy.network.set_weights([generator.normal(size=w.shape) for w in policy.network.weights])
    return policy


@pytest.fixture(scope="module", params=SPACES)
def saved(request, tmp_path_factory):
    """A policy, and the folder of its SavedModel."""
    policy = make_policy(SPACES[request.param])
    folder = tmp_path_factory.mktemp("policy")
    save(policy, folder)
    return policy, folder


def test_signatures_agree_with_the_policy_in_memory(saved):
    policy, folder = saved
    signatures = tf.saved_model.load(str(folder)).signatures
    observation = tf.constant(OBSERVATIONS)
    greedy = signatures["serving_default"](observation=observation)["action"]
    np.testing.assert_allclose(greedy, policy.greedy(observation), rtol=1e-6)
    sample = signatures["sample"](observation=observation, seed=tf.constant(SEED))
    for name, expected in policy.sample(observation, SEED)._asdict().items():
        np.testing.assert_allclose(sample[name], expected, rtol=1e-6, atol=1e-6)
    scored = signatures["log_prob"](observation=observation, action=sample["raw_action"])
    np.testing.assert_allclose(scored["log_prob"], sample["log_prob"], rtol=1e-6, atol=1e-6)
    parameters = signatures["distribution"](observation=observation)
    expected = policy.head.parameters(policy.outputs(observation))
    for column, name in enumerate(policy.head.parameter_names):
        np.testing.assert_allclose(parameters[name], expected[:, column], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("num_observations", [0, 1, 5])
def test_any_number_of_observations(saved, num_observations):
    policy, folder = saved
    signatures = tf.saved_model.load(str(folder)).signatures
    observation = tf.constant(OBSERVATIONS[:num_observations])
    sample = signatures["sample"](observation=observation, seed=tf.constant(SEED))
    assert sample["action"].shape == (num_observations, *policy.head.action_shape)
    assert sample["log_prob"].shape == (num_observations,)


SAVE = """
import sys
from tests.models.test_servable import SPACES, make_policy, save
from pathlib import Path
save(make_policy(SPACES["box"]), Path(sys.argv[1]))
"""


def run(command, folder):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def files_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_two_fresh_processes_write_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        run([sys.executable, "-c", SAVE, tmp_path / name], tmp_path)
    one, two = files_in(tmp_path / "one"), files_in(tmp_path / "two")
    assert "saved_model.pb" in one
    assert "variables/variables.index" in one
    assert one == two


LOAD = """
import sys
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
print(serve(observation=tf.zeros((1, 4)))["action"].shape)
assert not {"tensorflow_probability", "gymnasium", "models", "pipeline"} & set(sys.modules)
"""


def test_it_needs_tensorflow_alone(saved, tmp_path):
    policy, folder = saved
    output = run([sys.executable, "-c", LOAD, folder], tmp_path)
    assert output.strip() == str(tf.TensorShape([1, *policy.head.action_shape]))


def test_saved_model_cli_runs_it_and_so_does_whatever_loads_it_in_cpp(tmp_path):
    policy = make_policy(SPACES["box"])
    save(policy, tmp_path / "policy")
    np.save(tmp_path / "observation.npy", OBSERVATIONS)
    cli = "import sys; from tensorflow.python.tools.saved_model_cli import main; sys.exit(main())"
    run(
        [
            *(sys.executable, "-c", cli, "run", "--dir", "policy", "--tag_set", "serve"),
            *("--signature_def", "serving_default", "--inputs", "observation=observation.npy"),
            *("--outdir", "."),
        ],
        tmp_path,
    )
    np.testing.assert_allclose(
        np.load(tmp_path / "action.npy"), policy.greedy(OBSERVATIONS), rtol=1e-5
    )
