"""Action masks: the policy is a distribution over legal actions only."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from tensorflow_probability import distributions as tfd

from models.heads import make_head
from models.networks import make_policy_network
from models.policy import Policy
from models.savedmodel import save

SIZE = 3  # O, components of an observation
SPACES = {
    "discrete": spaces.Discrete(4, start=-1),
    "multi-discrete": spaces.MultiDiscrete([2, 3], start=[5, 0]),
    "multi-discrete of rank 2": spaces.MultiDiscrete(np.array([[2, 1], [2, 3]])),
}


def components(space):
    """Return, for each component of an action, its values and the slice of its mask entries."""
    if isinstance(space, spaces.Discrete):
        sizes, starts = [int(space.n)], [int(space.start)]
    else:
        sizes, starts = space.nvec.ravel().tolist(), space.start.ravel().tolist()
    ends = np.cumsum(sizes)
    return [
        (range(start, start + size), slice(end - size, end))
        for size, start, end in zip(sizes, starts, ends, strict=True)
    ]


def random_masks(space, num):
    """Return masks `[num, A]` with at least one legal value for each component."""
    generator = np.random.default_rng(0)
    masks = np.concatenate(
        [generator.random((num, len(values))) < 0.4 for values, _ in components(space)], axis=1
    )
    for row, (values, entries) in itertools.product(masks, components(space)):
        row[entries][generator.integers(len(values))] = True
    return masks


def masked_softmax(logits, mask):
    """Compute the probabilities in a slow loop: proportional to exp(logit) for legal actions."""
    weights = np.zeros(len(logits))
    for action in np.flatnonzero(mask):
        weights[action] = np.exp(logits[action] - logits.max())
    return weights / weights.sum()


def make_policy(space, masked=True):
    head = make_head(space, masked=masked)
    network = make_policy_network(SIZE, [8], "tanh", head, np.random.SeedSequence(0))
    generator = np.random.default_rng(1)
    for variable in network.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    return Policy(network, head, SIZE)


def make_inputs(masks):
    observations = np.random.default_rng(2).normal(size=(len(masks), SIZE))
    return tf.constant(np.concatenate([observations, masks], axis=1), tf.float32)


@pytest.fixture(params=SPACES)
def space(request):
    return SPACES[request.param]


def all_actions(space):
    """Return every action of the space, `[…, *action_shape]`."""
    actions = itertools.product(*(values for values, _ in components(space)))
    return np.array(list(actions)).reshape(-1, *space.shape)


def test_it_is_the_softmax_over_legal_actions(space):
    policy = make_policy(space)
    masks = random_masks(space, 6)
    inputs = make_inputs(masks)
    outputs = policy.outputs(inputs)
    logits = policy.network(inputs[:, :SIZE]).numpy().astype(float)
    for output, logit, mask in zip(outputs, logits, masks, strict=True):
        parts = [masked_softmax(logit[entries], mask[entries]) for _, entries in components(space)]
        probabilities = np.concatenate(parts)
        parameters = policy.head.parameters(output)
        np.testing.assert_allclose(parameters, probabilities, rtol=1e-5)
        assert (parameters.numpy() == 0).tolist() == (~mask).tolist()
        positive = probabilities[probabilities > 0]
        entropy = policy.head.entropy(output)
        np.testing.assert_allclose(entropy, -(positive * np.log(positive)).sum(), atol=1e-6)
        best = [
            values[np.argmax(p)] for (values, _), p in zip(components(space), parts, strict=True)
        ]
        assert policy.head.mode(output).numpy().ravel().tolist() == best
        for action in all_actions(space):
            probability = 1.0
            chosen = zip(components(space), parts, np.ravel(action), strict=True)
            for (values, _), part, value in chosen:
                probability *= part[value - values[0]]
            log_prob = policy.head.log_prob(output, tf.constant(action, tf.int64))
            expected = np.log(probability) if probability else -np.inf
            np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-6)


def test_no_illegal_action_is_sampled_however_much_it_is_preferred(space):
    policy = make_policy(space)
    mask = random_masks(space, 1)
    # The logits of illegal actions are 1e6 above those of legal ones: no noise outweighs this.
    policy.network.layers[-1].bias.assign(np.where(mask[0], -1e6, 0.0))
    inputs = tf.tile(make_inputs(mask), (10_000, 1))
    action = policy.sample(inputs, tf.constant([3, 5]))
    samples = action.action.numpy().reshape(10_000, -1)
    for column, (values, entries) in enumerate(components(space)):
        legal = {value for value, m in zip(values, mask[0, entries], strict=True) if m}
        assert set(samples[:, column].tolist()) <= legal
        assert policy.greedy(inputs[:1]).numpy().reshape(1, -1)[0, column] in legal
    assert np.isfinite(policy.head.log_prob(action.outputs, action.raw_action)).all()


def test_no_gradient_reaches_the_logits_of_illegal_actions(space):
    policy = make_policy(space)
    masks = random_masks(space, 50)
    inputs = make_inputs(masks)
    raw = policy.sample(inputs, tf.constant([1, 2])).raw_action
    logits = tf.Variable(policy.network(inputs[:, :SIZE]))
    masked = Policy(lambda _: logits, policy.head, SIZE)
    losses = {
        "log_prob": lambda outputs: policy.head.log_prob(outputs, raw),
        "entropy": policy.head.entropy,
        "parameters": lambda outputs: policy.head.parameters(outputs) ** 2,
        "KL": lambda outputs: tfd.kl_divergence(
            policy.head.distribution(tf.stop_gradient(outputs) * 0.9),
            policy.head.distribution(outputs),
        ),
    }
    for name, loss in losses.items():
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(loss(masked.outputs(inputs)))
        gradient = tape.gradient(value, logits).numpy()
        assert np.isfinite(value), name
        assert np.isfinite(gradient).all(), name
        assert not gradient[~masks].any(), name
        assert gradient[masks].any(), name


def test_if_all_actions_are_legal_it_is_the_policy_without_a_mask(space):
    masked, plain = make_policy(space), make_policy(space, masked=False)
    inputs = make_inputs(np.ones((9, sum(masked.head.mask_sizes))))
    seed = tf.constant([4, 4])
    np.testing.assert_array_equal(masked.outputs(inputs), plain.outputs(inputs[:, :SIZE]))
    pairs = zip(masked.sample(inputs, seed), plain.sample(inputs[:, :SIZE], seed), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)


def test_a_mask_without_a_legal_action_gives_no_distribution(space):
    policy = make_policy(space)
    masks = random_masks(space, 2)
    masks[0, components(space)[-1][1]] = False
    outputs = policy.outputs(make_inputs(masks))
    assert np.isnan(policy.head.entropy(outputs)).tolist() == [True, False]


def load_saved(policy, folder):
    save(policy, folder)
    return tf.saved_model.load(str(folder)).signatures


def test_the_savedmodel_takes_observation_and_mask(space, tmp_path):
    policy = make_policy(space)
    masks = random_masks(space, 6)
    inputs = make_inputs(masks)
    signatures = load_saved(policy, tmp_path)
    observed = {"observation": inputs[:, :SIZE], "action_mask": tf.constant(masks)}
    seed = tf.constant([5, 8])
    outputs = policy.outputs(inputs)
    greedy = signatures["serving_default"](**observed)["action"]
    np.testing.assert_array_equal(greedy, policy.greedy(inputs))
    sample = signatures["sample"](**observed, seed=seed)
    np.testing.assert_array_equal(sample["action"], policy.sample(inputs, seed).action)
    parameters = signatures["distribution"](**observed)
    for column, name in enumerate(policy.head.parameter_names):
        expected = policy.head.parameters(outputs)[:, column]
        np.testing.assert_allclose(parameters[name], expected, rtol=1e-6)
        assert (parameters[name].numpy() == 0).tolist() == (~masks[:, column]).tolist()
    for action in all_actions(space):
        raw = tf.constant(np.broadcast_to(action, (6, *space.shape)), tf.int64)
        log_prob = signatures["log_prob"](**observed, action=raw)["log_prob"]
        expected = policy.head.log_prob(outputs, raw)
        np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-6)  # some are −∞


def test_the_savedmodel_refuses_other_masks(tmp_path):
    signatures = load_saved(make_policy(SPACES["discrete"]), tmp_path)
    assert set(signatures["sample"].structured_input_signature[1]) == {
        "observation",
        "action_mask",
        "seed",
    }
    act = signatures["serving_default"]
    observation, mask = tf.zeros((2, SIZE)), tf.ones((2, 4), tf.bool)
    assert act(observation=observation, action_mask=mask)["action"].shape == (2,)
    for wrong in (mask[:, :3], mask[:1], mask[0], mask[..., tf.newaxis]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            act(observation=observation, action_mask=wrong)
    for wrong in (tf.ones((2, 4)), tf.ones((2, 4), tf.int8)):
        with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
            act(observation=observation, action_mask=wrong)
    with pytest.raises(TypeError):
        act(observation=observation)
    nothing_legal = {"observation": observation, "action_mask": tf.zeros((2, 4), tf.bool)}
    assert np.isnan(
        signatures["sample"](**nothing_legal, seed=tf.constant([0, 0]))["log_prob"]
    ).all()


def test_without_a_mask_the_signatures_take_none(tmp_path):
    signatures = load_saved(make_policy(SPACES["discrete"], masked=False), tmp_path)
    inputs = {name: set(f.structured_input_signature[1]) for name, f in signatures.items()}
    assert inputs == {
        "serving_default": {"observation"},
        "sample": {"observation", "seed"},
        "distribution": {"observation"},
        "log_prob": {"observation", "action"},
    }
