"""Squashed Normals: the change of variables, its accuracy, and the actions sent to environments."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from scipy import integrate, special, stats

from models.heads import make_head
from tests.models.heads.sampling import sample

SEED = tf.constant([3, 5], tf.int32)
INF = np.inf


def box(low, high, dtype=np.float32):
    return spaces.Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)


def squashed(low, high, dtype=np.float32):
    return make_head(box(low, high, dtype), squash=True)


# A slow reference for one component at a time: g and log g′ for each kind of bounds.


def squash(u, low, high):
    if np.isfinite(low) and np.isfinite(high):
        return low + (high - low) * (1 + np.tanh(u)) / 2
    if np.isfinite(low):
        return low + np.logaddexp(0, u)
    return high - np.logaddexp(0, u) if np.isfinite(high) else u


def log_derivative(u, low, high):
    if np.isfinite(low) and np.isfinite(high):
        # tanh′ = 1/cosh², and cosh u = e^|u| (1 + e^(−2|u|)) / 2
        return np.log((high - low) / 2) - 2 * (abs(u) + np.log1p(np.exp(-2 * abs(u))) - np.log(2))
    if np.isfinite(low) or np.isfinite(high):
        return special.log_expit(u)  # softplus′ is the logistic function
    return 0.0


KINDS = {"both": (-1.0, 3.0), "low": (0.5, INF), "high": (-INF, 2.0), "neither": (-INF, INF)}
# All kinds in one space, with components of the same kind apart from each other.
MIXED_LOW = np.array([[-1, 0.5, -INF], [-INF, 0, -INF]])
MIXED_HIGH = np.array([[3, INF, 2], [INF, 0.25, 1]])


def mixed_outputs(num_rows):
    generator = np.random.default_rng(0)
    means, scales = generator.normal(size=(num_rows, 6)), generator.uniform(0.5, 2, (num_rows, 6))
    samples = generator.normal(means, scales).reshape(num_rows, 2, 3)
    return means, scales, samples.astype(np.float32)


def outputs_of(means, scales):
    return tf.constant(np.concatenate([means, np.log(scales)], axis=-1), tf.float32)


def test_components_are_squashed_according_to_their_bounds():
    _, _, samples = mixed_outputs(5)
    received = squashed(MIXED_LOW, MIXED_HIGH).for_environment(tf.constant(samples)).numpy()
    for index in np.ndindex(5, 2, 3):
        expected = squash(samples[index], MIXED_LOW[index[1:]], MIXED_HIGH[index[1:]])
        np.testing.assert_allclose(received[index], expected, rtol=1e-5, atol=1e-6)


def test_log_prob_is_that_of_the_normals_minus_the_log_jacobian():
    means, scales, samples = mixed_outputs(5)
    expected = stats.norm.logpdf(samples.reshape(5, 6), means, scales).sum(axis=1)
    for index in np.ndindex(5, 2, 3):
        bounds = MIXED_LOW[index[1:]], MIXED_HIGH[index[1:]]
        expected[index[0]] -= log_derivative(samples[index], *bounds)
    outputs = outputs_of(means, scales)
    log_prob = squashed(MIXED_LOW, MIXED_HIGH).log_prob(outputs, tf.constant(samples))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-5)
    normal = make_head(box(MIXED_LOW, MIXED_HIGH)).log_prob(outputs, tf.constant(samples))
    assert np.abs(log_prob - normal).min() > 0.1


def test_log_prob_of_a_sample_is_the_density_of_its_action():
    means, scales, samples = mixed_outputs(200)
    head = squashed(MIXED_LOW, MIXED_HIGH)
    outputs = outputs_of(means, scales)
    # Convert to NumPy and back: otherwise TFP would look up the sample instead of inverting g.
    actions = tf.constant(head.for_environment(tf.constant(samples)).numpy())
    moderate = np.abs(samples).max(axis=(1, 2)) < 3
    assert moderate.sum() > 50
    np.testing.assert_allclose(
        head.log_prob(outputs, tf.constant(samples))[moderate],
        head.distribution(outputs).log_prob(actions)[moderate],
        atol=2e-3,  # the error of inverting g for float32 actions close to a bound
    )


def test_the_density_has_a_finite_gradient_by_the_action_for_all_bounds():
    # Also where the formula for other bounds does not: the slope of atanh is ∞ at 1, that of the
    # inverse of softplus at 0.
    actions = tf.constant([[[1.0, 1, -3], [0, 0.1, -3]]])
    with tf.GradientTape() as tape:
        tape.watch(actions)
        log_prob = squashed(MIXED_LOW, MIXED_HIGH).distribution(tf.zeros((1, 12))).log_prob(actions)
    assert np.isfinite(tape.gradient(log_prob, actions)).all()


def test_actions_have_the_right_gradient_by_the_sample_for_all_bounds():
    _, _, samples = mixed_outputs(5)
    samples = tf.constant(samples)
    with tf.GradientTape() as tape:
        tape.watch(samples)
        actions = squashed(MIXED_LOW, MIXED_HIGH).for_environment(samples)
    received = tape.gradient(actions, samples).numpy()
    for index in np.ndindex(5, 2, 3):
        bounds = MIXED_LOW[index[1:]], MIXED_HIGH[index[1:]]
        expected = np.exp(log_derivative(samples[index].numpy(), *bounds))
        np.testing.assert_allclose(abs(received[index]), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_integrates_to_1(kind):
    low, high = KINDS[kind]
    head = squashed([low], [high])
    # Gauss–Legendre on u from −3 to 5, which for N(1, ⅔) contains all but 1e-9 of the mass.
    ends = sorted(squash(u, low, high) for u in (-3.0, 5.0))
    nodes, weights = np.polynomial.legendre.leggauss(400)
    half = (ends[1] - ends[0]) / 2
    actions = (ends[0] + half * (1 + nodes))[:, None].astype(np.float32)
    outputs = tf.tile([[1.0, np.log(np.float32(2 / 3))]], (400, 1))
    density = np.exp(head.distribution(outputs).log_prob(actions))
    np.testing.assert_allclose(half * weights @ density, 1, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sample", [-50.0, 50.0])
def test_log_prob_is_exact_for_actions_rounded_to_the_bounds(kind, sample):
    # tanh(50) is 1 in float32, and atanh(1) is ∞; log tanh′(50) = 2 log 2 − 100.
    low, high = KINDS[kind]
    expected = stats.norm.logpdf(sample) - log_derivative(sample, low, high)
    log_prob = squashed([low], [high]).log_prob(tf.zeros((1, 2)), tf.constant([[sample]]))
    np.testing.assert_allclose(log_prob, [expected], rtol=1e-6)


def test_actions_follow_the_squashed_normal():
    # P(a ≤ x) = P(u ≤ atanh x) = Φ((atanh x − μ)/σ)
    head = squashed([-1], [1])
    outputs = tf.tile([[0.3, np.log(0.8)]], (20_000, 1))
    actions = head.for_environment(sample(head, outputs, SEED)).numpy()[:, 0]

    def distribution_function(x):
        return stats.norm.cdf(np.arctanh(x), 0.3, 0.8)

    # The seed is fixed; a fair sampler's p-value is uniform, and this one's is far from 0.
    assert stats.kstest(actions, distribution_function).pvalue > 0.01


def test_the_squashed_mode_is_the_median_of_the_actions():
    # In each component, half of the samples are below g(μ), with a standard error of
    # 0.5 / √20,000 = 0.0035.
    head = squashed(MIXED_LOW, MIXED_HIGH)
    means, scales, _ = mixed_outputs(1)
    outputs = tf.tile(outputs_of(means, scales), (20_000, 1))
    np.testing.assert_allclose(head.mode(outputs)[0], means.reshape(2, 3), rtol=1e-6)
    actions = head.for_environment(sample(head, outputs, SEED))
    below = np.mean(actions < head.for_environment(head.mode(outputs)), axis=0)
    np.testing.assert_allclose(below, np.full((2, 3), 0.5), atol=0.014)


# (σ, tolerance): the docstring's error bound, plus float32 rounding of numbers up to 40.
QUADRATURE = [(0.05, 1e-5), (0.5, 1e-5), (2.0, 1e-5), (3.0, 1.5e-5), (5.0, 4e-4)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scale", "error"), QUADRATURE)
def test_entropy_is_that_of_the_normal_plus_the_expected_log_jacobian(kind, scale, error):
    low, high = KINDS[kind]
    means = np.array([-20.0, -2.0, -0.3, 0.0, 0.5, 1.7, 20.0])
    expected = [
        stats.norm.entropy(mean, scale)
        + integrate.quad(
            lambda z, mean=mean: stats.norm.pdf(z) * log_derivative(mean + scale * z, low, high),
            *(-10, 10),
            epsabs=1e-9,
            limit=200,
        )[0]
        for mean in means
    ]
    outputs = outputs_of(means[:, None], np.full((7, 1), scale))
    np.testing.assert_allclose(squashed([low], [high]).entropy(outputs), expected, atol=error)


def test_entropy_of_mixed_bounds_is_the_sum_over_the_components():
    means, scales, _ = mixed_outputs(4)
    expected = np.zeros(4)
    for i, index in enumerate(np.ndindex(2, 3)):
        component = squashed([MIXED_LOW[index]], [MIXED_HIGH[index]])
        expected += component.entropy(outputs_of(means[:, [i]], scales[:, [i]]))
    entropy = squashed(MIXED_LOW, MIXED_HIGH).entropy(outputs_of(means, scales))
    np.testing.assert_allclose(entropy, expected, rtol=1e-5)


def test_the_gradient_of_the_entropy_is_that_of_its_expectation():
    # d/dμ E[log tanh′(μ + σz)] = −2 E[tanh u]. d/dlog σ of the entropy is 1 (from the Normal)
    # − 2 E[tanh(u) σz].
    mean, scale = 0.4, 1.5
    z = np.linspace(-10, 10, 20_001)
    density, tanh = stats.norm.pdf(z) * 1e-3, np.tanh(mean + scale * z)
    expected = [[-2 * density @ tanh, 1 - 2 * density @ (tanh * scale * z)]]
    outputs = outputs_of(np.array([[mean]]), np.array([[scale]]))
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        entropy = squashed([-1], [1]).entropy(outputs)
    np.testing.assert_allclose(tape.gradient(entropy, outputs), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rounding_never_leaves_the_bounds(dtype):
    # float32(0.1) is above the float64 0.1, float32(0.7) below 0.7. Center and half-width are
    # rounded too.
    low, high = [-0.7, 0.1, -INF, -0.1], [0.1, INF, 0.1, 0.7]
    space = box(low, high, dtype)
    head = make_head(space, squash=True)
    for raw_action in (-50.0, 0.0, 50.0):
        action = head.for_environment(tf.fill((4,), raw_action)).numpy()
        assert action.dtype == dtype
        assert space.contains(action)


def test_the_largest_bounds():
    # Neither the sum nor the difference of float32's largest numbers is finite. Bounds beyond the
    # range of float32 count as unbounded.
    largest = np.finfo(np.float32).max
    head = squashed([-largest], [largest])
    assert head.for_environment(tf.constant([0.0])) == 0
    assert head.for_environment(tf.constant([50.0])) == largest
    expected = stats.norm.logpdf(0) - np.log(np.float64(largest))
    np.testing.assert_allclose(head.log_prob(tf.zeros(2), tf.constant([0.0])), expected, rtol=1e-6)
    assert squashed([-1e300], [1e300], np.float64).for_environment(tf.constant([7.0])) == 7


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [([-1, 2], [1, 2], np.float32), ([1], [1 + 1e-12], np.float64)],
    ids=["no width", "no width in float32"],
)
def test_bounds_without_width_are_refused(low, high, dtype):
    with pytest.raises(ValueError, match="Expected a Box with low < high in every component, as"):
        squashed(low, high, dtype)
    make_head(box(low, high, dtype))  # clipping to a point is possible
