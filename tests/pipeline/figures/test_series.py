"""Series drawn from a table's columns."""

import numpy as np
import pytest

from pipeline.figures.series import (
    MAX_POINTS,
    binned_means,
    by_run,
    continued,
    moving_average,
    numbered,
    numbers,
    on_common_x,
    split_runs,
    thinned,
)

TABLE = {"run": np.array([0, 1, 0, 1]), "x": np.array([1, 2, 3, 4]), "mode": np.array(list("abab"))}


def test_by_run_puts_each_run_in_a_row():
    np.testing.assert_array_equal(by_run(TABLE, "x"), [[1, 3], [2, 4]])


def test_by_run_refuses_runs_of_different_lengths():
    table = {"run": np.array([0, 1, 1]), "x": np.array([1, 2, 3])}
    with pytest.raises(
        ValueError, match="the same number of rows for every run, received 1 for run 0, 2 for run 1"
    ):
        by_run(table, "x")


def test_runs_with_fewer_points_are_continued_with_their_last_value():
    table = {"run": np.array([0, 1, 1]), "x": np.array([1, 2, 3])}
    np.testing.assert_array_equal(continued(split_runs(table, "x")), [[1, 1], [2, 3]])


def test_numbers_refuses_a_missing_column():
    with pytest.raises(ValueError, match="expected a column y, received run, x, mode"):
        numbers(TABLE, "y")


@pytest.mark.parametrize("damaged", [np.array(["1", "?"]), np.array([1.0, np.nan])])
def test_numbers_refuses_text_and_nan(damaged):
    with pytest.raises(ValueError, match="expected finite numbers in column x"):
        numbers({"x": damaged}, "x")


def test_numbered_columns_are_sorted_by_number():
    table = dict.fromkeys(["mean_10", "mean_2", "mean_return", "mean_0"], np.zeros(1))
    assert numbered(table, "mean") == ["mean_0", "mean_2", "mean_10"]


def test_numbers_may_be_negative():
    table = {name: np.zeros(1) for name in ("a_1", "a_-2", "a_0", "a_-1_-1")}
    assert numbered(table, "a") == ["a_-2", "a_0", "a_1"]
    assert numbered(table, "a", 2) == ["a_-1_-1"]


def test_columns_of_two_numbers_are_sorted_by_both():
    names = ["p_10_0", "p_1_10", "p_1_9", "p_3", "p_1_2_3"]
    assert numbered(dict.fromkeys(names, np.zeros(1)), "p", 2) == ["p_1_9", "p_1_10", "p_10_0"]


def test_moving_average_has_only_full_windows():
    # (1 + 2 + 6) / 3 = 3 and (2 + 6 + 1) / 3 = 3; (0 + 0 + 9) / 3 = 3 and (0 + 9 + 9) / 3 = 6.
    values = np.array([[1.0, 2, 6, 1], [0, 0, 9, 9]])
    np.testing.assert_allclose(moving_average(values, 3), [[3, 3], [3, 6]])
    np.testing.assert_array_equal(moving_average(values, 1), values)


def test_thinned_keeps_both_ends_and_all_of_a_short_curve():
    np.testing.assert_array_equal(thinned(4), [0, 1, 2, 3])
    kept = thinned(10_000)
    assert (kept[0], kept[-1], len(kept)) == (0, 9_999, MAX_POINTS)
    assert np.diff(kept).max() - np.diff(kept).min() <= 1


def test_common_x_is_the_range_that_all_runs_cover():
    # The runs cover 10 … 30 and 20 … 60, so both cover 20 … 30. With y = x interpolation is exact.
    x = np.array([[10.0, 20, 30], [20, 40, 60]])
    common, y = on_common_x(x, x)
    np.testing.assert_allclose(common, [20, 25, 30])
    np.testing.assert_allclose(y, [[20, 25, 30]] * 2)


def test_common_x_is_empty_if_runs_do_not_overlap():
    x = np.array([[1.0, 2], [3, 4]])
    common, y = on_common_x(x, x)
    assert common.shape == (0,)
    assert y.shape == (2, 0)


def test_runs_with_equal_x_keep_it():
    x = np.array([[1.0, 2, 10]] * 2)
    common, y = on_common_x(x, np.array([[5.0, 6, 7], [8, 9, 10]]))
    np.testing.assert_array_equal(common, [1, 2, 10])
    np.testing.assert_array_equal(y, [[5, 6, 7], [8, 9, 10]])


def test_bins_hold_equal_numbers_of_points():
    # 40 points make 2 bins of 20: 0 … 19 with mean 9.5 and 20 … 39 with mean 29.5. For y = x² the
    # means are Σ k² / 20 = 2,470 / 20 = 123.5 and (20,540 − 2,470) / 20 = 903.5.
    x = np.arange(40.0)[::-1]
    mean_x, mean_y = binned_means(x, x**2)
    np.testing.assert_allclose(mean_x, [9.5, 29.5])
    np.testing.assert_allclose(mean_y, [123.5, 903.5])


def test_each_value_of_a_discrete_observation_is_a_bin():
    x, y = np.array([0.0, 1, 0, 1, 7]), np.array([1.0, 5, 3, 6, 9])
    mean_x, mean_y = binned_means(x, y)
    np.testing.assert_array_equal(mean_x, [0, 1, 7])
    np.testing.assert_array_equal(mean_y, [2, 5.5, 9])
