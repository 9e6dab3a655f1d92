"""The picture of the learning curve."""

import numpy as np
import pytest

from pipeline.figures.learning_curve import draw_learning_curve, smoothing_window

pytestmark = pytest.mark.filterwarnings("error")


def curve(returns, episodes_per_update=32, steps_per_episode=(1,)):
    """Make a learning curve from returns `[R, U]`.

    The episodes of run r have steps_per_episode[r] steps.
    """
    run, update = (i.ravel() for i in np.indices(np.shape(returns)))
    num_episodes = (update + 1) * episodes_per_update
    return {
        "run": run,
        "num_episodes": num_episodes,
        "num_env_steps": num_episodes * np.resize(steps_per_episode, len(returns))[run],
        "mean_return": np.ravel(returns),
        "kept": np.zeros_like(run),
    }


def draw(*arguments, **options):
    return draw_learning_curve(curve(*arguments, **options), "task")


def test_runs_are_faint_and_their_interquartile_mean_is_bold():
    # One of five runs is left out at each end: (300 + 400 + 500) / 3 = 400 and (3 + 4 + 5) / 3 = 4.
    returns = [[0, 3], [300, 4], [400, 5], [500, 0], [500, 9]]
    figure = draw(returns)
    (panel,) = figure.axes
    *runs, bold = panel.lines
    np.testing.assert_array_equal([line.get_ydata() for line in runs], returns)
    np.testing.assert_allclose(bold.get_ydata(), [400, 4])
    np.testing.assert_array_equal(bold.get_xdata(), [32, 64])
    assert bold.get_linewidth() > 2 * max(line.get_linewidth() for line in runs)
    assert len(panel.collections) == 1  # the interval
    assert figure.get_suptitle() == "task: learning curve, 5 runs"
    assert [text.get_text() for text in figure.legends[0].texts] == [
        "each run",
        "interquartile mean over runs",
        "95% bootstrap interval",
    ]


def test_runs_may_differ_in_their_numbers_of_updates():
    # Each run is smoothed before its last point is repeated: with windows of 2 updates, run 0 ends
    # at (40 + 39) / 2 and run 1, without its last 20 updates, at (20 + 19) / 2.
    table = curve([range(1, 41), range(1, 41)], episodes_per_update=10)
    table["kept"][[5, 45]] = 1
    table = {name: values[:60] for name, values in table.items()}
    figure = draw_learning_curve(table, "task")
    long, short, _, marks = figure.axes[0].lines
    np.testing.assert_array_equal(np.asarray(long.get_xydata())[-1], [400, 39.5])
    np.testing.assert_array_equal(np.asarray(short.get_xydata())[-1], [200, 19.5])
    assert len(np.asarray(marks.get_xydata())) == 2


def test_the_policies_that_were_kept_are_marked():
    table = curve([[1, 8, 3], [2, 4, 6]])
    table["kept"][[1, 5]] = 1  # in run 0 the policy before update 1, in run 1 before update 2
    figure = draw_learning_curve(table, "task")
    (marks,) = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(marks.get_xdata(), [64, 96])
    np.testing.assert_array_equal(marks.get_ydata(), [8, 6])
    assert figure.legends[0].texts[-1].get_text() == "kept policy"


def test_a_mark_stands_at_the_first_point_that_averages_its_update():
    # 100 updates of 2 episodes: a point averages 10 updates. The first point with update 50 ends
    # with it. Update 3 is in the very first point, of updates 0 to 9.
    table = curve(np.arange(200.0).reshape(2, 100), episodes_per_update=2)
    table["kept"][[3, 150]] = 1
    figure = draw_learning_curve(table, "task")
    (marks,) = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(marks.get_xdata(), [20, 102])


def test_second_panel_over_env_steps_covers_what_all_runs_cover():
    # With 10 and 20 steps per episode and 32 episodes per update, the runs have 320, 640, 960 and
    # 640, 1,280, 1,920 env steps. Both cover 640 … 960. Returns equal env steps, and so does their
    # mean.
    returns = [[320, 640, 960], [640, 1_280, 1_920]]
    figure = draw(returns, steps_per_episode=(10, 20))
    episodes, steps = figure.axes
    assert episodes.get_xlabel() == "training episodes per run"
    assert steps.get_xlabel() == "env steps per run"
    np.testing.assert_array_equal(steps.lines[1].get_xdata(), [640, 1_280, 1_920])
    np.testing.assert_allclose(steps.lines[2].get_xdata(), [640, 800, 960])
    np.testing.assert_allclose(steps.lines[2].get_ydata(), [640, 800, 960])


def test_single_episodes_are_smoothed_and_the_axis_label_says_so():
    # 200 updates of one episode with returns 0, 1, 0, 1, …: any 20 in a row average 0.5.
    returns = np.tile([0, 1], (3, 100))
    (panel,) = draw(returns, episodes_per_update=1).axes
    assert panel.get_ylabel() == "mean episode return\n(moving average over 20 updates)"
    bold = panel.lines[-1]
    assert bold.get_xdata()[0] == 20  # the first with 20 episodes so far
    np.testing.assert_allclose(bold.get_ydata(), np.full(181, 0.5))


@pytest.mark.parametrize(
    ("num_updates", "episodes_per_update", "window"),
    [
        (300, 1, 20),  # 20 episodes are 20 updates
        (125, 16, 2),  # 20 / 16, rounded up
        (160, 32, 1),  # one update has more than 20
        (40, 1, 4),  # a tenth of 40
        (1, 1, 1),  # never less than one
        (3_000, 64, 10),  # 3,000 updates as 300 points
    ],
)
def test_window(num_updates, episodes_per_update, window):
    num_episodes = np.arange(1.0, num_updates + 1) * episodes_per_update
    assert smoothing_window(num_episodes) == window


def test_a_single_run_has_no_interval():
    figure = draw([[1, 2, 3]])
    (panel,) = figure.axes
    assert len(panel.lines) == 1
    assert len(panel.collections) == 0
    assert [text.get_text() for text in figure.legends[0].texts] == ["the run"]
    assert figure.get_suptitle() == "task: learning curve, 1 run"


def test_a_single_update_is_a_visible_point():
    (panel,) = draw([[1], [2]]).axes
    assert {line.get_marker() for line in panel.lines} == {"o"}


def test_the_legend_is_complete_if_runs_share_no_env_steps():
    # One update each, after 320 and 640 env steps: nothing to average in the second panel.
    figure = draw([[1], [2]], steps_per_episode=(10, 20))
    assert [len(panel.lines) for panel in figure.axes] == [3, 2]
    assert len(figure.legends[0].texts) == 3
