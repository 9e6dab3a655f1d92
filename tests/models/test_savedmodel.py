"""The SavedModel: same policy, same bytes, and no dependency except TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from models.heads import make_head
from models.networks import make_policy_network
from models.normalization import RunningNormalization
from models.policy import Policy
from models.savedmodel import ServablePolicy, save
from pipeline.evaluation.graphs import POLICY_OPERATIONS, SAVING_OPERATIONS, require_policy_graph
from pipeline.task.schema import Activation

REPOSITORY = Path(__file__).parents[2]
BOUNDED = spaces.Box(np.array([-0.5, -np.inf, 2.0], "f4"), np.array([0.5, np.inf, np.inf], "f4"))
POLICIES: dict[str, tuple[spaces.Space, dict[str, Any]]] = {
    "discrete": (spaces.Discrete(3, start=2), {"activation": "relu"}),
    "multi-discrete": (spaces.MultiDiscrete([2, 4, 3], start=[0, -1, 5]), {"activation": "elu"}),
    "multi-discrete of rank 2": (spaces.MultiDiscrete(np.array([[2, 3], [3, 2]])), {}),
    "multi-binary": (spaces.MultiBinary(5), {"activation": "gelu"}),
    "multi-binary of rank 2": (spaces.MultiBinary((2, 2)), {}),
    "box": (BOUNDED, {"activation": "silu"}),
    "box of rank 0": (spaces.Box(-1, 1, ()), {"activation": "sigmoid"}),
    "box of rank 2": (spaces.Box(-1, 1, (2, 2)), {}),
    "box of float64": (spaces.Box(-0.1, 0.1, (2,), np.float64), {}),
    "state-dependent": (BOUNDED, {"state_dependent": True}),
    "squashed": (BOUNDED, {"squash": True}),
    "squashed, of rank 2": (spaces.Box(-1, 1, (2, 2)), {"squash": True}),
    "squashed and state-dependent": (BOUNDED, {"state_dependent": True, "squash": True}),
    "observations normalized": (spaces.Discrete(3), {"normalize": True}),
    "all options": (BOUNDED, {"state_dependent": True, "squash": True, "normalize": True}),
}
OBSERVATIONS = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
SEED = np.array([11, 12], np.int32)


def make_policy(name):
    space, options = POLICIES[name]
    options = dict[str, Any](activation="tanh", normalize=False) | options
    activation, normalize = options.pop("activation"), options.pop("normalize")
    head = make_head(space, **options)
    normalizer = RunningNormalization(name="normalization") if normalize else None
    network = make_policy_network(4, [8], activation, head, np.random.SeedSequence(0), normalizer)
    generator = np.random.default_rng(1)  # gives weights with strong preferences
    for variable in network.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    if normalizer is not None:
        normalizer.update(tf.constant(3 + 2 * OBSERVATIONS), tf.ones(len(OBSERVATIONS), bool))
    return Policy(network, head, 4)


@pytest.fixture(scope="module", params=POLICIES)
def saved(request, tmp_path_factory):
    """Return a policy, its action space, and the folder of its SavedModel."""
    policy = make_policy(request.param)
    folder = tmp_path_factory.mktemp("policy")
    save(policy, folder)
    return policy, POLICIES[request.param][0], folder


def test_signatures_agree_with_the_policy_in_memory(saved):
    policy, space, folder = saved
    signatures = tf.saved_model.load(str(folder)).signatures
    observation = tf.constant(OBSERVATIONS)
    greedy = signatures["serving_default"](observation=observation)["action"]
    np.testing.assert_allclose(greedy, policy.greedy(observation), rtol=1e-6, atol=1e-6)
    sample = signatures["sample"](observation=observation, seed=tf.constant(SEED))
    action, raw_action, outputs = policy.sample(observation, SEED)
    log_prob = policy.head.log_prob(outputs, raw_action)
    assert sorted(sample) == ["action", "log_prob", "raw_action"]
    np.testing.assert_allclose(sample["action"], action, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sample["raw_action"], raw_action, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sample["log_prob"], log_prob, rtol=1e-6, atol=1e-6)
    scored = signatures["log_prob"](observation=observation, action=sample["raw_action"])
    np.testing.assert_allclose(scored["log_prob"], sample["log_prob"], rtol=1e-6, atol=1e-6)
    parameters = signatures["distribution"](observation=observation)
    expected = policy.head.parameters(policy.outputs(observation))
    for column, name in enumerate(policy.head.parameter_names):
        np.testing.assert_allclose(parameters[name], expected[:, column], rtol=1e-6, atol=1e-6)
    for action in [*greedy.numpy(), *sample["action"].numpy()]:
        assert space.contains(action)
        assert np.asarray(action).dtype == space.dtype


def test_inputs_of_other_shapes_are_refused(saved):
    signatures = tf.saved_model.load(str(saved[-1])).signatures
    for signature in signatures.values():
        _, stated = signature.structured_input_signature
        right = {
            name: tf.zeros([2 if size is None else size for size in spec.shape], spec.dtype)
            for name, spec in stated.items()
        }
        for name, values in right.items():
            wrong_ones = [values[..., tf.newaxis]]
            if stated[name].shape[-1] is not None:  # the number of observations may be any
                wrong_ones += [values[..., :1], tf.concat([values, values], axis=-1)]
            for wrong in wrong_ones:
                with pytest.raises(tf.errors.InvalidArgumentError, match="is not compatible with"):
                    signature(**right | {name: wrong})


MASKED = [spaces.Discrete(3), spaces.MultiDiscrete([2, 3])]
OPERATIONS: list[set[str]] = []  # of each policy that has been checked


def check_operations(folder):
    require_policy_graph(folder)
    (graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    functions = graph.graph_def.library.function
    nodes = [*graph.graph_def.node, *(node for f in functions for node in f.node_def)]
    OPERATIONS.append({node.op for node in nodes})


def test_the_graph_contains_only_allowed_operations(saved):
    check_operations(saved[-1])


@pytest.mark.parametrize("space", MASKED)
def test_a_masked_policys_graph_contains_only_allowed_operations(space, tmp_path):
    head = make_head(space, masked=True)
    network = make_policy_network(4, [], "tanh", head, np.random.SeedSequence(0))
    save(Policy(network, head, 4), tmp_path)
    check_operations(tmp_path)


def test_every_allowed_operation_is_needed():
    if len(OPERATIONS) < len(POLICIES) + len(MASKED):
        pytest.skip("not all policies have been checked")
    activations = {options.get("activation", "tanh") for _, options in POLICIES.values()}
    assert activations == set(get_args(Activation))
    assert set().union(*OPERATIONS) == POLICY_OPERATIONS | SAVING_OPERATIONS
    assert not POLICY_OPERATIONS & SAVING_OPERATIONS


def test_an_observation_of_nan_gives_log_probs_of_nan(saved):
    policy, _, folder = saved
    sample = tf.saved_model.load(str(folder)).signatures["sample"]
    observation = tf.constant(OBSERVATIONS * [[np.nan, 1, 1, 1]], tf.float32)
    outputs = sample(observation=observation, seed=tf.constant(SEED))
    assert np.isnan(outputs["log_prob"]).all()
    if policy.head.action_dtype.is_floating:
        assert np.isnan(outputs["action"]).all()


def test_statistics_of_observations_are_not_trained(tmp_path):
    save(make_policy("all options"), tmp_path)
    model = tf.saved_model.load(str(tmp_path))
    trained = model.signatures["serving_default"].trainable_variables
    assert {v.name for v in trained} == {v.name for v in model.weights}
    assert [v.name for v in model.statistics if not v.trainable] == [
        "normalization_mean:0",
        "normalization_variance:0",
        "normalization_count:0",
    ]


@pytest.mark.parametrize("name", ["multi-discrete", "multi-binary", "all options"])
def test_any_number_of_observations(name, tmp_path):
    policy = make_policy(name)
    save(policy, tmp_path)
    signatures = tf.saved_model.load(str(tmp_path)).signatures
    for num_observations in (0, 1, 5):
        observation = tf.constant(OBSERVATIONS[:num_observations])
        sample = signatures["sample"](observation=observation, seed=tf.constant(SEED))
        assert sample["action"].shape == (num_observations, *policy.head.action_shape)
        assert sample["log_prob"].shape == (num_observations,)


def test_one_servable_saves_the_current_weights(tmp_path):
    policy = make_policy("all options")
    servable = ServablePolicy(policy)
    for name in ("before", "after"):
        servable.save(tmp_path / name)
        serve = tf.saved_model.load(str(tmp_path / name)).signatures["serving_default"]
        greedy = serve(observation=tf.constant(OBSERVATIONS))["action"]
        np.testing.assert_allclose(greedy, policy.greedy(OBSERVATIONS), rtol=1e-5, atol=1e-6)
        policy.network.set_weights([w / 2 for w in policy.network.get_weights()])


SAVE = """
import sys
from tests.models.test_savedmodel import make_policy, save
from pathlib import Path
save(make_policy("all options"), Path(sys.argv[1]))
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


def test_it_needs_only_tensorflow(tmp_path):
    policy = make_policy("all options")
    save(policy, tmp_path / "policy")
    output = run([sys.executable, "-c", LOAD, tmp_path / "policy"], tmp_path)
    assert output.strip() == str(tf.TensorShape([1, *policy.head.action_shape]))


def test_saved_model_cli_runs_it_and_therefore_the_cpp_loader_does(tmp_path):
    policy = make_policy("all options")
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
        np.load(tmp_path / "action.npy"), policy.greedy(OBSERVATIONS), rtol=1e-5, atol=1e-6
    )
