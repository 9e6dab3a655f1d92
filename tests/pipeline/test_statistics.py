"""The interquartile mean over runs and its bootstrap interval."""

import itertools

import numpy as np
import pytest

from pipeline.statistics import (
    MIN_RUNS,
    Interval,
    bootstrap_interval,
    difference_interval,
    interquartile_mean,
)


def test_interquartile_mean_leaves_out_a_quarter_at_each_end():
    # Eight runs: ⌊8 / 4⌋ = 2 are left out at each end; (3 + 4 + 5 + 6) / 4 = 4.5 remains.
    # Only the rank of the outlier counts; the plain mean would be 16.625.
    assert interquartile_mean([4, 100, 1, 6, 3, 7, 2, 5]) == 4.5


def test_interquartile_mean_rounds_the_quarter_down():
    # Five runs: ⌊5 / 4⌋ = 1 at each end, (200 + 300 + 400) / 3 = 300.
    assert interquartile_mean([500, 200, 300, 0, 400]) == 300
    # Three runs: nothing is left out, (0 + 0 + 9) / 3 = 3.
    assert interquartile_mean([0, 9, 0]) == 3


def test_interquartile_mean_is_over_the_first_axis():
    # Columns (0, 1, 2, 9) and (5, 5, 5, 5): (1 + 2) / 2 = 1.5, and 5.
    values = [[0, 5], [9, 5], [1, 5], [2, 5]]
    np.testing.assert_array_equal(interquartile_mean(values), [1.5, 5])


def test_interval_is_that_of_all_resamples():
    # Four runs have 4⁴ = 256 equally likely resamples, few enough to list. The interquartile mean
    # is that of the middle two values, here a multiple of 0.5, so 2,000 random resamples find the
    # same 2.5% and 97.5% points. It is 0 if three or four values are 0, in 13 of 256 = 5.1% >
    # 2.5% of cases, and likewise 9 if three or four values are 9. So the interval is [0, 9].
    values = [0.0, 1.0, 2.0, 9.0]
    means = [np.mean(sorted(resample)[1:3]) for resample in itertools.product(values, repeat=4)]
    assert tuple(np.percentile(means, [2.5, 97.5])) == (0, 9)
    assert bootstrap_interval(values) == Interval(np.float64(0), np.float64(9))


def test_interval_contains_the_mean_and_narrows_with_runs():
    # The standard error falls with √R: the interval of 64 runs is about a quarter of that of 4.
    values = np.random.default_rng(1).normal(300, 50, size=64)
    few, many = bootstrap_interval(values[:4]), bootstrap_interval(values)
    assert few is not None
    assert many is not None
    assert few.low < interquartile_mean(values[:4]) < few.high
    assert many.low < interquartile_mean(values) < many.high
    assert many.high - many.low < 0.6 * (few.high - few.low)


@pytest.mark.parametrize(("num_runs", "share"), [(3, 0.75), (5, 0.89), (10, 0.93), (20, 0.95)])
def test_coverage_of_the_interval_for_a_normal_distribution(num_runs, share):
    values = np.random.default_rng(0).normal(size=(num_runs, 5000))
    interval = bootstrap_interval(values)
    assert interval is not None
    low, high = interval
    # ± 4 √(0.75 · 0.25 / 5000)
    np.testing.assert_allclose(np.mean((low <= 0) & (high >= 0)), share, atol=0.025)


def test_interval_of_a_curve_is_that_of_each_point():
    curves = np.random.default_rng(2).normal(size=(5, 2_000))  # 5 · 2,000: several batches
    interval = bootstrap_interval(curves)
    assert interval is not None
    assert np.shape(interval.low) == np.shape(interval.high) == (2_000,)
    for point in (0, 1_234, 1_999):
        alone = bootstrap_interval(curves[:, point])
        assert tuple(np.asarray(interval)[:, point]) == alone


@pytest.mark.parametrize("value", [500.0, 0.1, -1e-3, 1 / 3])
@pytest.mark.parametrize("num_runs", [2, 3, 5, 20])
def test_equal_runs_give_exactly_their_value(value, num_runs):
    assert interquartile_mean([value] * num_runs) == value
    assert bootstrap_interval([value] * num_runs) == Interval(value, value)


def test_one_run_has_a_mean_but_no_interval():
    assert interquartile_mean([7.0]) == 7
    assert bootstrap_interval([7.0]) is None
    assert bootstrap_interval([[7.0, 8.0]]) is None


def test_interval_neither_uses_nor_changes_the_global_generator():
    values = np.random.default_rng(3).normal(size=9)
    np.random.seed(1)
    first, drawn_after = bootstrap_interval(values), np.random.random()
    np.random.seed(1)
    assert np.random.random() == drawn_after  # the interval drew nothing
    assert bootstrap_interval(values) == first  # though the global state differs now


def test_difference_interval_is_that_of_all_resamples():
    # Two runs a side have 2² · 2² = 16 equally likely pairs of resamples. The differences of their
    # means range from 10 − 4 = 6 to 30 − 0 = 30. Each extreme has 1 of 16 = 6.25% > 2.5%.
    first, second = [0.0, 4.0], [10.0, 30.0]
    means = [
        [np.mean(sample) for sample in itertools.product(v, repeat=2)] for v in (first, second)
    ]
    every = np.subtract.outer(means[1], means[0])
    assert tuple(np.percentile(every, [2.5, 97.5], method="inverted_cdf")) == (6, 30)
    assert difference_interval(first, second) == Interval(np.float64(6), np.float64(30))


def test_difference_interval_is_of_interquartile_means():
    # An outlier that occurs once in four resampled runs is left out; then the sides are equal. It
    # occurs three or four times, and is both middle values, in (4 · 3 + 1) / 4⁴ = 5.1% of cases.
    interval = difference_interval([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1e6])
    assert interval == Interval(np.float64(0), np.float64(1e6 - 1))


def test_difference_of_equal_runs_is_exactly_zero():
    zero, difference = np.float64(0), np.float64(0.4 - 0.1)
    assert difference_interval([0.1] * 3, [0.1] * 5) == Interval(zero, zero)
    assert difference_interval([0.1] * 3, [0.4] * 5) == Interval(difference, difference)


@pytest.mark.parametrize(("first", "second"), [([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0])])
def test_a_single_run_on_either_side_has_no_difference_interval(first, second):
    assert difference_interval(first, second) is None


def test_difference_interval_refuses_values_that_are_not_finite():
    with pytest.raises(ValueError, match="expected finite numbers"):
        difference_interval([1.0, 2.0], [np.nan, 1.0])


def leaves_out_zero(first, second):
    interval = difference_interval(first, second)
    assert interval is not None
    return interval.low > 0 or interval.high < 0


def test_two_runs_a_side_seem_to_differ_in_a_third_of_cases():
    # There are six ways to split four different runs into two sides. Two of them put the two lower
    # runs on one side. Only then do all resampled differences have the same sign.
    runs = {1.0, 2.0, 4.0, 8.0}
    sides = [(side, sorted(runs - {*side})) for side in itertools.combinations(sorted(runs), 2)]
    assert sum(leaves_out_zero(*both) for both in sides) == 2


@pytest.mark.parametrize(("num_runs", "least", "most"), [(3, 0.13, 0.26), (MIN_RUNS, 0.02, 0.12)])
def test_equal_sides_seem_to_differ_rarely_from_min_runs_on(num_runs, least, most):
    # 19% and 7% in the long run; the bounds allow about two standard errors of 150 cases.
    samples = np.random.default_rng(4).normal(size=(150, 2, num_runs))
    assert least < np.mean([leaves_out_zero(*sides) for sides in samples]) < most


@pytest.mark.parametrize("values", [[], 3.0, np.zeros((0, 4)), np.zeros((2, 2, 2))])
def test_refuses_values_without_one_row_per_run(values):
    with pytest.raises(ValueError, match=r"expected \[R\] or \[R, U\].*Received: shape="):
        interquartile_mean(values)
    with pytest.raises(ValueError, match=r"expected \[R\] or \[R, U\].*Received: shape="):
        bootstrap_interval(values)


def test_refuses_numbers_that_are_not_finite():
    with pytest.raises(ValueError, match="expected finite numbers. Received: 2 of 4 not finite"):
        bootstrap_interval([1.0, np.nan, 2.0, np.inf])
