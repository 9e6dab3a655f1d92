"""The picture of the action distribution."""

import numpy as np
import pytest

from pipeline.figures.actions import BEFORE_BOUNDS
from pipeline.figures.policy import draw_policy

pytestmark = pytest.mark.filterwarnings("error")


def draw(tables):
    return draw_tables(tables.action_distribution, tables.visited)


def draw_tables(action_distribution, visited):
    return draw_policy(action_distribution, visited, "task")


def captions(figure):
    return [part.get_suptitle() for part in figure.subfigs]


def test_of_two_actions_only_the_second_is_drawn_over_training():
    # Three runs whose P(action 1) rises from 0.5 to 0.8, 0.9 and 0.95: the median is 0.9.
    second = np.array([0.5, 0.8, 0.5, 0.9, 0.5, 0.95])
    curve = {
        "run": np.array([0, 0, 1, 1, 2, 2]),
        "num_episodes": np.array([0, 300] * 3),
        "probability_0": 1 - second,
        "probability_1": second,
    }
    visited = {"observation_0": np.ones(2), "probability_0": np.full(2, 0.1)}
    figure = draw_tables(curve, visited)
    (panel,) = figure.axes  # and no other panel, since the observation is constant
    *runs, bold = panel.lines
    np.testing.assert_array_equal([line.get_ydata() for line in runs], second.reshape(3, 2))
    np.testing.assert_array_equal(bold.get_xdata(), [0, 300])
    np.testing.assert_allclose(bold.get_ydata(), [0.5, 0.9])
    assert panel.get_ylabel() == "P(action 1)"
    assert panel.get_ylim() == pytest.approx((0, 1), abs=0.05)
    assert not figure.legends
    assert "Faint: each run. Bold: median over runs." in captions(figure)[0]


def test_notes_say_that_means_are_those_before_bounds():
    means = {"mean_0": np.array([0.0, 16.0]), "standard_deviation_0": np.ones(2)}
    curve = {"run": np.zeros(2, int), "num_episodes": np.array([0, 9])} | means
    visited = {"observation_0": np.arange(2.0)} | means
    for bounded in (False, True):
        figure = draw_policy(curve, visited, "task", bounded)
        assert [BEFORE_BOUNDS in note for note in captions(figure)] == [bounded] * 2


def test_each_observation_that_varies_has_a_panel(make_tables):
    tables = make_tables(num_observations=4)
    tables.visited["observation_2"][:] = 1
    figure = draw(tables)
    assert [panel.get_xlabel() for panel in figure.axes] == [
        "training episodes per run",
        "observation[0]",
        "observation[1]",
        "observation[3]",
    ]
    points, binned = figure.axes[1].lines
    np.testing.assert_array_equal(points.get_xdata(), tables.visited["observation_0"])
    np.testing.assert_array_equal(points.get_ydata(), tables.visited["probability_1"])
    assert len(binned.get_xdata()) == 20
    # The policy's P(action 1) rises with observation 0.
    assert (np.diff(binned.get_ydata()) > 0).all()


def test_normal_distribution_has_mean_and_standard_deviation(make_tables):
    figure = draw(make_tables(kind="mean", num_actions=1, num_observations=3))
    assert [panel.get_ylabel() for panel in figure.axes] == [
        "mean of the action",
        "standard deviation of the action",
        "mean of the action",
        "",
        "",
    ]
    assert "binned means ± the policy's standard deviation" in captions(figure)[1]
    # The band extends 0.5 to both sides of the binned mean everywhere.
    (band,) = figure.axes[2].collections
    low, high = np.sort(band.get_paths()[0].vertices[:, 1])[[0, -1]]
    means = figure.axes[2].lines[1].get_ydata()
    np.testing.assert_allclose([low, high], [means.min() - 0.5, means.max() + 0.5])


def test_of_many_actions_the_most_probable_are_drawn(make_tables):
    tables = make_tables(num_actions=12, num_runs=3)
    last = tables.action_distribution["num_episodes"] == 50 * 32
    for action in range(12):  # final probabilities rise from action 11 to 0, except for 5
        tables.action_distribution[f"probability_{action}"][last] = (12 - action) / 100
    tables.action_distribution["probability_5"][last] = 0
    figure = draw(tables)
    shown = [text.get_text() for text in figure.legends[0].texts]
    assert shown == [f"action {action}" for action in (0, 1, 2, 3, 4, 6, 7)]
    assert "the 7 most probable of 12 actions after training" in captions(figure)[0]
    assert len(figure.axes[0].lines) == 7 * (3 + 1)
    assert len(figure.axes[1].lines) == 7  # binned means without points
    assert figure.axes[0].get_ylabel() == "P(action)"


def curve_of(finals):
    """Make two runs of two points whose probabilities begin at 0.5 and end at `finals`."""
    ends = {name: np.array([0.5, final] * 2) for name, final in finals.items()}
    return {"run": np.array([0, 0, 1, 1]), "num_episodes": np.array([0, 9] * 2)} | ends


def drawn_over_training(figure):
    """Return the legend's name and the last value of each median line."""
    bold = figure.axes[0].lines[2::3]  # two runs, then their median
    names = [text.get_text() for text in figure.legends[0].texts]
    return {name: line.get_ydata()[-1] for name, line in zip(names, bold, strict=True)}


UNVARYING = {"observation_0": np.ones(2)}


def test_actions_that_do_not_start_at_0_keep_their_names():
    figure = draw_tables(curve_of({"probability_2": 0.1, "probability_3": 0.9}), UNVARYING)
    assert figure.axes[0].get_ylabel() == "P(action 3)"
    assert figure.axes[0].lines[-1].get_ydata()[-1] == 0.9
    finals = {f"probability_{action}": action / 50 for action in range(3, 12)}
    drawn = drawn_over_training(draw_tables(curve_of(finals), UNVARYING))
    assert drawn == {f"action {action}": action / 50 for action in range(5, 12)}


def test_components_are_drawn_value_by_value_without_mirrored_ones():
    # Component 0 has three values. Component 1 has two, and only the second is drawn. Component 10
    # is a bit and has one column. Components are sorted by number, so component 10 comes last.
    finals = {
        "probability_10_1": 0.6,
        "probability_0_0": 0.1,
        "probability_0_1": 0.2,
        "probability_0_2": 0.7,
        "probability_1_0": 0.25,
        "probability_1_1": 0.75,
    }
    figure = draw_tables(curve_of(finals), UNVARYING)
    drawn = drawn_over_training(figure)
    assert list(drawn.items()) == [
        ("component 0 = 0", 0.1),
        ("component 0 = 1", 0.2),
        ("component 0 = 2", 0.7),
        ("component 1 = 1", 0.75),
        ("component 10 = 1", 0.6),
    ]
    assert figure.axes[0].get_ylabel() == "P(component i = a)"
    assert "values" not in captions(figure)[0]  # nothing is left out


def test_of_many_components_the_most_probable_values_are_drawn():
    # Of 9 bits, 1 and 4 have the lowest final probabilities.
    finals = {f"probability_{i}_1": 0.3 + i / 100 for i in range(9)}
    finals |= {"probability_1_1": 0.1, "probability_4_1": 0.2}
    figure = draw_tables(curve_of(finals), UNVARYING)
    assert list(drawn_over_training(figure)) == [
        f"component {i} = 1" for i in (0, 2, 3, 5, 6, 7, 8)
    ]
    assert captions(figure)[0].endswith("the 7 most probable of 9 component values after training.")


def test_one_bit_is_drawn_from_0_to_1_and_named_in_the_axis_label(make_tables):
    figure = draw(make_tables(kind="bit", num_actions=1, num_observations=1))
    assert [panel.get_ylabel() for panel in figure.axes] == ["P(component 0 = 1)"] * 2
    for panel in figure.axes:
        assert panel.get_ylim() == pytest.approx((0, 1), abs=0.05)
    assert not figure.legends


def test_visited_steps_use_the_columns_of_the_component(make_tables):
    tables = make_tables(kind="component", num_values=(2, 2), num_observations=1)
    points = figure_points(draw(tables).axes[1])
    np.testing.assert_array_equal(points[0], tables.visited["probability_0_1"])
    np.testing.assert_array_equal(points[1], tables.visited["probability_1_1"])


def figure_points(panel):
    return [line.get_ydata() for line in panel.lines if line.get_linestyle() == "None"]


def test_panels_share_limits_that_hold_every_line(make_tables):
    tables = make_tables(num_actions=12)
    # The policy depends on observation 0, so the last panel gets the widest lines.
    columns = tables.visited
    columns["observation_0"], columns["observation_3"] = (
        columns["observation_3"],
        columns["observation_0"],
    )
    for panel in draw(tables).axes[1:]:
        low, high = panel.get_ylim()
        assert low == 0
        assert max(line.get_ydata().max() for line in panel.lines) < high


def test_of_many_observations_eight_are_drawn(make_tables):
    figure = draw(make_tables(kind="mean", num_actions=2, num_observations=30))
    assert [panel.get_xlabel() for panel in figure.axes[2:]] == [
        f"observation[{i}]" for i in range(8)
    ]
    assert captions(figure)[1].endswith("the first 8 of 30 observations that vary.")
    shown = [text.get_text() for text in figure.legends[0].texts]
    assert shown == ["action dimension 0", "action dimension 1"]


def test_of_many_dimensions_seven_are_drawn(make_tables):
    figure = draw(make_tables(kind="mean", num_actions=9))
    assert len(figure.legends[0].texts) == 7
    assert captions(figure)[0].endswith("the first 7 of 9 action dimensions.")


def test_one_run_is_bold(make_tables):
    figure = draw(make_tables(num_runs=1))
    assert len(figure.axes[0].lines) == 1
    assert "Faint" not in captions(figure)[0]


def test_refuses_a_table_without_a_distribution(make_tables):
    tables = make_tables()
    with pytest.raises(
        ValueError, match="expected columns probability_0, … or prob.*, received run"
    ):
        draw_policy({"run": np.zeros(1), "num_episodes": np.zeros(1)}, tables.visited, "task")


def test_refuses_visited_steps_of_another_distribution(make_tables):
    visited = make_tables(kind="mean").visited
    with pytest.raises(ValueError, match="expected a column probability_1, received observation_0"):
        draw_policy(make_tables().action_distribution, visited, "task")
