"""Noise statistics, compared with hand calculations, NumPy, and many repetitions."""

import numpy as np
import pytest

from reinforce.noise.estimate import gram_matrix, measure_noise, sample_moments


def gram_of(gradients):
    """Compute the Gram matrix of one policy's batches, `[1, K, K]`."""
    return gram_matrix(np.array(gradients, np.float32))[np.newaxis]


def noise_of(grams, num_resamples=500, seed=0):
    return measure_noise(
        np.array(grams),
        num_resamples=num_resamples,
        confidence=0.95,
        generator=np.random.default_rng(seed),
    )


def test_moments_of_two_batches_by_hand():
    # (3, 0) and (1, 2): their product is 3, their squared distance 4 + 4 = 8, and half of that 4.
    actual = sample_moments(gram_of([[3, 0], [1, 2]]))
    np.testing.assert_allclose(actual, [3, 4])


def test_moments_are_unbiased_estimates_averaged_over_policies():
    gradients = np.random.default_rng(0).normal(1, 2, size=(3, 7, 4)).astype(np.float32)
    actual = sample_moments(np.stack([gram_matrix(g) for g in gradients]))
    variances = [np.trace(np.cov(g.astype(np.float64), rowvar=False)) for g in gradients]
    # E‖ḡ‖² = ‖E ĝ‖² + tr Cov ĝ / K.
    norms = [(g.mean(axis=0, dtype=np.float64) ** 2).sum() for g in gradients]
    squared_norms = np.array(norms) - np.array(variances) / 7
    np.testing.assert_allclose(actual, [squared_norms.mean(), np.mean(variances)], rtol=1e-6)


def test_a_batch_is_not_paired_with_its_own_copy():
    # A resample with two copies of the first batch and one of the second has two valid pairs, both
    # of (3, 0) and (1, 2). A pair of copies would add 9 to the products and 0 to the distances.
    gram = gram_of([[3, 0], [1, 2], [50, 50]])
    actual = sample_moments(gram, np.array([[[2, 1, 0]], [[3, 0, 0]]]))
    np.testing.assert_allclose(actual.squared_norm, [3, np.nan])  # one batch only: no pair
    np.testing.assert_allclose(actual.total_variance, [4, np.nan])


def test_a_single_batch_is_refused():
    with pytest.raises(ValueError, match="Expected at least 2 batches. Received: 1"):
        sample_moments(gram_of([[1, 2]]))


@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_moments_are_right_on_average_and_the_norm_may_be_negative(mean):
    # ĝ ~ N(mean, 2²) in each of 3 components: ‖E ĝ‖² = 3 mean², tr Cov = 12. The squared norm of
    # the mean of 10 batches would be too large by 12 / 10.
    generator = np.random.default_rng(0)
    gradients = generator.normal(mean, 2, size=(4000, 10, 3))
    norms, variances = np.transpose([sample_moments(gram_matrix(g)[np.newaxis]) for g in gradients])
    for actual, expected in [(norms, 3 * mean**2), (variances, 12)]:
        assert abs(actual.mean() - expected) < 4 * actual.std() / np.sqrt(4000)
    assert norms.min() < 0


@pytest.mark.parametrize(
    ("mean", "least", "most"),
    [
        # Of 400 intervals of 95%, 380 ± 4 · 4.4 should contain the true value. With 30 batches,
        # percentile intervals contain it less often.
        (1.0, 0.89, 0.98),
        # Without any signal, intervals of the norm are too wide, which is on the safe side.
        (0.0, 0.95, 1.0),
    ],
)
def test_intervals_contain_the_truth_about_as_often_as_stated(mean, least, most):
    # Five components of standard deviation 1, 2, …: tr Cov = 1 + 4 + 9 + 16 + 25 = 55.
    generator = np.random.default_rng(1)
    truth = {"squared_norm": 5 * mean**2, "signal_to_noise": np.sqrt(5 * mean**2 / 55)}
    hits = dict.fromkeys([*truth, "total_variance"], 0)
    for _ in range(400):
        gradients = generator.normal(mean, np.arange(1, 6), size=(30, 5))
        [noise] = noise_of([gram_matrix(gradients)[np.newaxis]], num_resamples=300)
        for name, expected in (truth | {"total_variance": 55}).items():
            _, low, high = getattr(noise, name)
            hits[name] += low <= expected <= high
    for name in truth:
        assert least <= hits[name] / 400 <= most, name
    assert 0.86 <= hits["total_variance"] / 400 <= 0.98


def test_the_ratio_of_variances_is_computed_from_the_same_resamples():
    # The second estimator is twice the first, so its variance is 4 times the first's in every
    # resample, although each variance is uncertain.
    gradients = np.random.default_rng(0).normal(1, 1, size=(20, 3)).astype(np.float32)
    first, second = noise_of([gram_of(gradients), gram_of(2 * gradients)])
    np.testing.assert_allclose(first.relative_variance, [1, 1, 1])
    np.testing.assert_allclose(second.relative_variance, [4, 4, 4])
    assert second.total_variance.high > 1.2 * second.total_variance.low


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_signal_is_estimated_with_the_least_noisy_baseline(order):
    # Products and half squared distances by hand. Noisy, (8, −8): −64 and ½ 16² = 128. Quiet,
    # (3, 1): 3 and ½ 2² = 2. The squared ratios are 3 / 128 and 3 / 2, and the numbers of batches
    # are their inverses.
    grams = [gram_of([[8], [-8]]), gram_of([[3], [1]])]
    noises = noise_of([grams[i] for i in order])
    noisy, quiet = (noises[i] for i in order)
    assert noisy.squared_norm.value == -64  # its own products show no signal
    np.testing.assert_allclose(noisy.signal_to_noise.value, np.sqrt(3 / 128))
    np.testing.assert_allclose(noisy.num_batches_for_1.value, 128 / 3)
    np.testing.assert_allclose(quiet.num_batches_for_1.value, 2 / 3)


def test_without_observed_noise_intervals_are_unbounded():
    # First case: all batches are equal, and the ratio is 0 / 0. Second case: one of ten differs; it
    # is missing in a third of the resamples, (9 / 10)^10, so these have no ratio.
    for gradients in (np.zeros((10, 2)), np.eye(10, 2)[[0, *[5] * 9]]):
        [noise] = noise_of([gram_of(gradients)])
        for estimate in (noise.signal_to_noise, noise.num_batches_for_1):
            assert (estimate.low, estimate.high) == (0, np.inf)
    [noise] = noise_of([gram_of(np.zeros((10, 2)))])
    assert np.isnan([noise.signal_to_noise.value, noise.num_batches_for_1.value]).all()
    assert noise.squared_norm == noise.total_variance == (0, 0, 0)
    # A baseline without observed noise has no ratio (3 / 0) even if another one shows a signal. The
    # other one's ratio is defined.
    noise, other = noise_of([gram_of(np.zeros((2, 1))), gram_of([[3], [1]])])
    assert np.isnan(noise.signal_to_noise.value)
    np.testing.assert_allclose(other.signal_to_noise.value, np.sqrt(3 / 2))
    # The least noisy baseline, which provides the signal, has no noise in a third of the resamples:
    # the intervals of both baselines are unbounded.
    rare, noise = noise_of([gram_of(np.eye(10, 1)), gram_of(np.arange(10.0)[:, np.newaxis])])
    for estimate in (rare.signal_to_noise, noise.signal_to_noise):
        assert (estimate.low, estimate.high) == (0, np.inf)


def test_the_same_generator_gives_the_same_intervals():
    gram = gram_of(np.random.default_rng(0).normal(size=(12, 3)))
    assert noise_of([gram]) == noise_of([gram])
    assert noise_of([gram]) != noise_of([gram], seed=1)
