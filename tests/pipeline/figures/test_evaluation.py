"""The picture of the evaluation."""

import numpy as np
import pytest

from pipeline.figures.evaluation import draw_evaluation

pytestmark = pytest.mark.filterwarnings("error")


def draw(greedy, sampled):
    return draw_evaluation(evaluation(greedy, sampled), "task")


def evaluation(greedy, sampled):
    """Make an evaluation table from episode returns `[R, episodes]` of each mode."""
    columns = []
    for mode, returns in (("greedy", greedy), ("sampled", sampled)):
        run, episode = (i.ravel() for i in np.indices(np.shape(returns)))
        columns.append([run, np.full(run.size, mode), episode, np.ravel(returns)])
    names = ("run", "mode", "episode", "episode_return")
    return {name: np.concatenate(parts) for name, *parts in zip(names, *columns, strict=True)}


def test_episodes_means_and_interval_of_each_mode():
    # Greedy has run means 2, 4 and 9. With three runs none is left out: (2 + 4 + 9) / 3 = 5. One of
    # the 27 resamples of three runs is all 2: 3.7%, more than 2.5%. The same holds for 9, so the
    # interval is [2, 9]. Sampled has all means 1: [1, 1].
    figure = draw(greedy=[[1, 3], [4, 4], [8, 10]], sampled=[[1, 1], [0, 2], [2, 0]])
    greedy, sampled = figure.axes
    assert greedy.get_title() == "greedy: IQM 5.00 [2.00, 9.00]"
    assert sampled.get_title() == "sampled: IQM 1.00 [1.00, 1.00]"
    assert figure.get_suptitle() == "task: evaluation of 3 runs, 2 episodes each"
    episodes, means, mean = greedy.lines
    np.testing.assert_array_equal(episodes.get_ydata(), [1, 3, 4, 4, 8, 10])
    np.testing.assert_array_equal(np.round(episodes.get_xdata()), [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(means.get_ydata(), [2, 4, 9])
    np.testing.assert_array_equal(mean.get_ydata(), [5, 5])
    (band,) = greedy.patches
    low, high = band.get_extents().transformed(greedy.transData.inverted()).intervaly
    np.testing.assert_allclose([low, high], [2, 9])


def test_equal_returns_stand_side_by_side():
    greedy, _ = draw(*[np.full((5, 100), 500)] * 2).axes
    assert len(set(greedy.lines[0].get_xdata())) == 500
    low, high = greedy.get_ylim()
    assert low < 500 < high
    assert greedy.get_title() == "greedy: IQM 500 [500, 500]"


def test_a_single_run_has_only_its_mean():
    figure = draw([[1, 3]], [[0, 1]])
    assert [panel.get_title() for panel in figure.axes] == [
        "greedy: mean 2.00",
        "sampled: mean 0.500",
    ]
    assert all(len(panel.patches) == 0 for panel in figure.axes)
    assert [text.get_text() for text in figure.legends[0].texts] == ["episode", "mean of a run"]


@pytest.mark.parametrize(
    ("num_runs", "ticks"), [(1, [0]), (3, [0, 1, 2]), (25, [0, 3, 6, 9, 12, 15, 18, 21, 24])]
)
def test_ticks_are_runs(num_runs, ticks):
    greedy, _ = draw(*[np.zeros((num_runs, 2))] * 2).axes
    np.testing.assert_array_equal(greedy.get_xticks(), ticks)


def test_refuses_runs_with_different_numbers_of_episodes():
    table = {name: column[:-1] for name, column in evaluation([[1], [2]], [[1], [2]]).items()}
    table["run"] = np.array([0, 0, 1])
    table["mode"] = np.full(3, "greedy")
    with pytest.raises(ValueError, match="the same number of rows for every run"):
        draw_evaluation(table, "task")
