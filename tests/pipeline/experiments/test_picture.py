"""The picture of several revisions' learning curves."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex

from pipeline.experiments.comparison import PolicyCurve
from pipeline.experiments.picture import Curve, draw_comparison, spread
from pipeline.figures.learning_curve import Smoothed
from pipeline.figures.style import COLORS, png
from pipeline.statistics import bootstrap_interval, interquartile_mean

pytestmark = pytest.mark.filterwarnings("error")


def points(returns, steps_per_episode=(1,), window=1):
    """Make a curve from returns `[R, U]`, with ten episodes per update.

    The episodes of run r have steps_per_episode[r] steps.
    """
    returns = np.array(returns, dtype=float)
    num_episodes = np.broadcast_to(10.0 * np.arange(1, returns.shape[1] + 1), returns.shape)
    steps = np.resize(steps_per_episode, len(returns))[:, np.newaxis]
    return Smoothed(num_episodes, num_episodes * steps, returns, window)


def curve(revision, returns, caption="", **options):
    return Curve(revision, caption, points(returns, **options))


def texts(panel):
    return [text.get_text() for text in panel.texts if text.get_text()]


def samples(panel):
    """Return the line sample next to each label."""
    return [line for line in panel.lines if line.get_transform() == panel.transAxes]


def drawn(panel):
    return [line for line in panel.lines if line.get_transform() != panel.transAxes]


SLOW, FAST = [[1, 2, 3], [3, 4, 5]], [[5, 6, 7], [7, 8, 9]]


def test_each_revision_has_its_mean_its_interval_and_its_label():
    figure = draw_comparison(
        {"maze": [curve("slow", SLOW, "learning_rate 0.001"), curve("fast", FAST)]}
    )
    (panel,) = figure.axes
    xs = [10, 20, 30]
    for line, band, returns in zip(drawn(panel), panel.collections, [SLOW, FAST], strict=True):
        np.testing.assert_array_equal(line.get_xdata(), xs)
        np.testing.assert_array_equal(line.get_ydata(), interquartile_mean(returns))
        (path,) = band.get_paths()
        interval = np.asarray(bootstrap_interval(returns))
        ends = sorted([x, y] for end in interval for x, y in zip(xs, end, strict=True))
        assert np.unique(path.vertices, axis=0).tolist() == ends
    assert texts(panel) == ["slow\nlearning_rate 0.001", "fast"]
    assert panel.get_title() == "maze, 2 runs"
    assert panel.get_xlabel() == "training episodes per run"
    assert panel.get_ylabel() == "mean episode return\n(at each update)"
    assert figure.get_suptitle() == "learning curves of 2 revisions"


def test_a_label_is_level_with_its_curve_and_shares_its_style():
    (panel,) = draw_comparison({"maze": [curve("slow", SLOW), curve("fast", FAST)]}).axes
    low, high = panel.get_ylim()
    for line, sample, label in zip(drawn(panel), samples(panel), ["slow", "fast"], strict=True):
        (text,) = [text for text in panel.texts if text.get_text() == label]
        level = (np.asarray(line.get_ydata())[-1] - low) / (high - low)
        assert text.get_position()[1] == sample.get_ydata()[0] == pytest.approx(level)
        assert sample.get_color() == line.get_color()
        assert sample.get_linestyle() == line.get_linestyle()
    one, other = samples(panel)
    assert one.get_color() != other.get_color()
    assert one.get_linestyle() != other.get_linestyle()  # in grayscale


def test_labels_of_equal_curves_do_not_hide_each_other():
    returns = np.array(SLOW) - 1_000
    figure = draw_comparison({"maze": [curve(name, returns, "x 1\ny 2") for name in "abcdefg"]})
    png(figure)  # runs the layout
    (panel,) = figure.axes
    boxes = [text.get_window_extent() for text in panel.texts if text.get_text()]
    assert len(boxes) == 7
    for upper, lower in itertools.pairwise(boxes):  # the first on top
        assert upper.y0 >= lower.y1
    assert boxes[0].y1 <= panel.get_window_extent().y1
    assert boxes[-1].y0 >= panel.get_window_extent().y0
    assert panel.get_ylim()[1] < -990  # the labels have not stretched the axis


def test_a_revision_looks_the_same_in_every_panel():
    figure = draw_comparison(
        {"a": [curve("one", SLOW), curve("two", FAST)], "b": [curve("two", SLOW)]}
    )
    first, second = figure.axes
    assert [line.get_color() for line in drawn(second)] == [drawn(first)[1].get_color()]


def test_over_episodes_and_over_env_steps():
    curves = {"maze": [curve("a", SLOW, steps_per_episode=(3,)), curve("b", FAST)]}
    episodes, steps = draw_comparison(curves).axes
    np.testing.assert_array_equal(episodes.lines[0].get_xdata(), [10, 20, 30])
    np.testing.assert_array_equal(steps.lines[0].get_xdata(), [30, 60, 90])
    assert episodes.get_xlabel() == "training episodes per run"
    assert steps.get_xlabel() == "env steps per run"
    assert episodes.get_ylim() == steps.get_ylim()
    assert (texts(episodes), texts(steps)) == ([], ["a", "b"])


def test_a_mean_ends_with_the_shortest_run_and_longer_runs_continue():
    # Run 0 has 10 to 30 env steps, run 1 has 20 to 60.
    figure = draw_comparison({"maze": [curve("a", SLOW, steps_per_episode=(1, 2))]})
    episodes, steps = figure.axes
    assert len(drawn(episodes)) == 1
    mean, tail = drawn(steps)
    assert np.asarray(mean.get_xdata())[[0, -1]].tolist() == [20, 30]
    assert tail.get_xydata().tolist() == [[30, 3.5], [40, 4], [60, 5]]
    assert tail.get_linewidth() < mean.get_linewidth()
    assert steps.get_xlim()[1] > 60
    (legend,) = figure.legends
    assert "after the shortest has ended" in legend.get_texts()[-1].get_text()


def test_a_bandit_has_a_panel_of_its_policies():
    probabilities = points([[0.5, 0.6, 0.9], [0.5, 0.7, 0.7]])
    policy = PolicyCurve("P(action 1)", probabilities, probabilities.values[:, -1])
    curves = [curve(name, SLOW)._replace(policy=policy) for name in "ab"]
    returns, policies = draw_comparison({"bandit": curves}).axes
    assert policies.get_title() == "policy: P(action 1)"
    assert policies.get_xlabel() == "training episodes per run"
    np.testing.assert_allclose(drawn(policies)[0].get_ydata(), [0.5, 0.65, 0.8])
    assert (texts(returns), texts(policies)) == ([], ["a", "b"])
    # A revision whose table is lost would have a label without a curve.
    assert len(draw_comparison({"bandit": [*curves, curve("c", FAST)]}).axes) == 1


def test_a_single_run_has_no_interval():
    (panel,) = draw_comparison({"maze": [curve("one", SLOW[:1]), curve("two", FAST)]}).axes
    assert len(panel.collections) == 1
    assert panel.get_title() == "maze, 1 to 2 runs"


def test_runs_without_common_env_steps_are_drawn_one_by_one():
    # A single update each, after 10 and 20 env steps.
    curves = {"maze": [curve("a", [[1], [2]], steps_per_episode=(1, 2))]}
    _, panel = draw_comparison(curves).axes
    assert [line.get_xydata().tolist() for line in drawn(panel)] == [[[10, 1]], [[20, 2]]]
    assert {line.get_marker() for line in drawn(panel)} == {"o"}


def test_the_axis_label_names_the_moving_average():
    curves = [curve("a", SLOW, window=4), curve("b", FAST, window=20)]
    (panel,) = draw_comparison({"maze": curves}).axes
    assert panel.get_ylabel() == "mean episode return\n(moving average over 4 to 20 updates)"


def test_more_revisions_than_colors_are_left_out_and_the_title_says_so():
    curves = [curve(str(i), SLOW) for i in range(8)]
    figure = draw_comparison({"maze": curves, "only the last": curves[-1:]})
    (panel,) = figure.axes
    assert sorted(texts(panel)) == [str(i) for i in range(7)]
    assert {to_hex(line.get_color()).upper() for line in drawn(panel)} == set(COLORS)
    assert figure.get_suptitle() == "learning curves of 8 revisions (first 7 shown)"


def test_names_are_shortened_and_never_read_as_formulas():
    figure = draw_comparison({"maze": [curve("$x^{y" + 40 * "z", SLOW, "a 1")]})
    (panel,) = figure.axes
    assert texts(panel) == ["$x^{y" + 30 * "z" + "…\na 1"]
    png(figure)


def test_equal_curves_give_equal_bytes():
    curves = {"maze": [curve("a", SLOW), curve("b", FAST)]}
    assert png(draw_comparison(curves)) == png(draw_comparison(curves))


def test_intervals_that_do_not_overlap_stay():
    middles = spread(np.array([0.9, 0.1, 0.5]), np.full(3, 0.2))
    np.testing.assert_allclose(middles, [0.9, 0.1, 0.5])


def test_overlapping_intervals_are_moved_as_little_as_possible():
    # Each moves by half the overlap: 0.5 ∓ 0.1. The third one stays.
    np.testing.assert_allclose(
        spread(np.array([0.5, 0.5, 0.9]), np.array([0.2, 0.2, 0.1])), [0.6, 0.4, 0.9]
    )


def test_moved_intervals_stay_within_the_bounds_if_there_is_room():
    # Both want the upper end: one takes [0.8, 1], the other [0.5, 0.8] below it.
    np.testing.assert_allclose(spread(np.array([1.0, 0.99]), np.array([0.2, 0.3])), [0.9, 0.65])
    # Their sizes sum to 1.2, so 0.2 extends beyond the upper end.
    np.testing.assert_allclose(spread(np.array([0.5, 0.5]), np.array([0.6, 0.6])), [0.9, 0.3])
