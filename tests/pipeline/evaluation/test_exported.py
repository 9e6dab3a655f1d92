"""Actors that use an exported SavedModel."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from models.heads import make_head
from models.networks import make_policy_network
from models.policy import Policy
from models.savedmodel import save
from pipeline.evaluation import exported
from pipeline.task.errors import UserError
from reinforce.sampling.seeds import draw_seeds

OBSERVATIONS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
SEED = np.array([3, 4], np.int32)


@pytest.mark.parametrize("space", [spaces.Discrete(3), spaces.Box(-0.1, 0.1, (2,))])
def test_actions_have_the_policys_log_probabilities(space, tmp_path):
    head = make_head(space)
    policy = Policy(make_policy_network(4, [8], "tanh", head, np.random.SeedSequence(1)), head, 4)
    save(policy, tmp_path)
    signatures = exported.load_signatures(tmp_path)
    sampled = exported.Sampled(signatures)
    action = sampled.sample(OBSERVATIONS, SEED)
    expected = policy.distribution(OBSERVATIONS).log_prob(action.raw_action)
    received = sampled.log_prob(action.outputs, action.raw_action)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)
    sampled.begin(np.random.default_rng(1))
    seed = next(draw_seeds(np.random.default_rng(1)))
    for first, second in zip(
        sampled.act(OBSERVATIONS), sampled.sample(OBSERVATIONS, seed), strict=True
    ):
        np.testing.assert_array_equal(first, second)
    batch: gymnasium.Space = gymnasium.vector.utils.batch_space(space, 5)
    assert batch.contains(action.action)
    greedy = exported.Greedy(signatures)
    action = greedy.act(OBSERVATIONS)
    np.testing.assert_allclose(action.action, policy.greedy(OBSERVATIONS), rtol=1e-5, atol=1e-6)
    assert greedy.log_prob(action.outputs, action.raw_action).tolist() == [0] * 5


@pytest.mark.parametrize("field", ["children", "dependencies", "nodes", "library", "concrete"])
def test_a_damaged_graph_is_named(field, tmp_path):
    head = make_head(spaces.Discrete(2))
    policy = Policy(make_policy_network(4, [], "tanh", head, np.random.SeedSequence(1)), head, 4)
    save(policy, tmp_path)
    path = tmp_path / "saved_model.pb"
    model = SavedModel.FromString(path.read_bytes())
    graph = model.meta_graphs[0]
    match field:
        case "children":
            graph.object_graph_def.nodes[0].ClearField("children")  # without signatures
        case "nodes":
            del graph.object_graph_def.nodes[-1]
        case "library":
            graph.graph_def.ClearField("library")
        case "concrete":
            graph.object_graph_def.nodes[-1].bare_concrete_function.concrete_function_name = "x"
        case "dependencies":
            graph.object_graph_def.nodes[0].children[0].node_id = 1000
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=f"^{tmp_path}: expected a policy's SavedModel, received "):
        exported.load_signatures(tmp_path)
