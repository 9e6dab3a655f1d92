"""Maps of the action distribution over a plane of states."""

import numpy as np
import pytest

from pipeline.figures.plane import draw_plane

pytestmark = pytest.mark.filterwarnings("error")


def table(**parameters):
    """Make a table of 3 by 2 grid points, its rows out of order."""
    x, y = np.meshgrid([0.0, 1.0, 2.0], [10.0, 20.0])
    order = np.array([4, 0, 3, 1, 5, 2])
    columns = {"angle": x.ravel(), "velocity": y.ravel()}
    columns |= {name: np.array(values, float) for name, values in parameters.items()}
    return {name: values[order] for name, values in columns.items()}


def maps(figure):
    """Return the panels by title, without the color bars."""
    return {panel.get_title(): panel for panel in figure.axes if panel.get_xlabel()}


def test_two_actions_have_one_map_with_a_line_at_one_half():
    second = [0.1, 0.2, 0.9, 0.3, 0.6, 0.8]
    figure = draw_plane(table(probability_0=1 - np.array(second), probability_1=second), "task")
    ((title, panel),) = maps(figure).items()
    assert title == "probability of action 1 (white line: 0.5)"
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("angle", "velocity")
    mesh, line = panel.collections
    np.testing.assert_allclose(mesh.get_array(), np.reshape(second, (2, 3)))
    assert mesh.get_clim() == (0, 1)
    # Along the lower side 0.5 is reached at angle 1 + (0.5 − 0.2) / 0.7.
    vertices = np.concatenate([path.vertices for path in line.get_paths()])
    assert np.any(np.all(np.isclose(vertices, [1 + 3 / 7, 10]), axis=1))


def test_mean_and_standard_deviation_side_by_side():
    mean = [-4.0, 0.0, 1.0, 2.0, 1.0, 1.0]
    deviation = [0.1, 0.2, 0.8, 0.2, 0.2, 0.2]
    figure = draw_plane(table(mean_0=mean, standard_deviation_0=deviation), "task")
    panels = maps(figure)
    assert list(panels) == [
        "mean of the action (white line: 0)",
        "standard deviation of the action",
    ]
    of_mean, of_deviation = panels.values()
    assert of_mean.collections[0].get_clim() == (-4, 4)
    assert of_deviation.collections[0].get_clim() == (0, 0.8)
    assert len(of_deviation.collections) == 1  # and no white line


def test_a_constant_is_named_in_the_title():
    mean = [-4.0, 0.0, 1.0, 2.0, 1.0, 1.0]
    figure = draw_plane(table(mean_0=mean, standard_deviation_0=[0.8] * 6), "task")
    assert list(maps(figure)) == ["mean of the action (white line: 0)"]
    assert figure.get_suptitle() == (
        "task: what the policy does\n(other observations, if any, are fixed; standard deviation of "
        "the action: 0.8 everywhere)"
    )


def test_many_constants_are_counted_in_the_title():
    mean = [-4.0, 0.0, 1.0, 2.0, 1.0, 1.0]
    columns = {f"mean_{i}": mean for i in range(4)}
    columns |= {f"standard_deviation_{i}": [0.8] * 6 for i in range(4)}
    assert draw_plane(table(**columns), "task").get_suptitle() == (
        "task: what the policy does\n(other observations, if any, are fixed; 4 parameters are the "
        "same everywhere; first 3 of 4\nmaps)"
    )


def test_the_title_says_that_means_are_those_before_bounds():
    figure = draw_plane(table(mean_0=[3.0] * 6, standard_deviation_0=[1.0] * 6), "task", True)
    assert figure.get_suptitle() == (
        "task: what the policy does before action bounds apply\n"
        "(other observations, if any, are fixed)"
    )


@pytest.mark.parametrize(
    ("parameters", "titles"),
    [
        (
            {f"probability_{a}": [0.1 * a] * 6 for a in range(4)},
            [f"probability of action {a}: {0.1 * a:.3g}\neverywhere" for a in range(3)],
        ),
        (
            {"probability_0_5": [0.5] * 6, "probability_1_0": [0.5] * 6},
            [f"probability of component {n}: 0.5 everywhere" for n in ("0 = 5", "1 = 0")],
        ),
        (
            {f"{kind}_{i}": [1] * 6 for kind in ("mean", "standard_deviation") for i in (0, 1)},
            [
                "mean of action dimension 0: 1\neverywhere",
                "standard deviation of action\ndimension 0: 1 everywhere",
                "mean of action dimension 1: 1\neverywhere",
            ],
        ),
    ],
)
def test_other_distributions(parameters, titles):
    figure = draw_plane(table(**parameters), "task")
    assert list(maps(figure)) == titles
    assert figure.get_suptitle().endswith(" fixed; first 3 of 4 maps)") == (len(parameters) == 4)


def test_points_that_are_not_a_full_grid_are_refused():
    points = {name: values[:5] for name, values in table(mean_0=[0] * 6).items()}
    with pytest.raises(ValueError, match="expected a full grid of 3 by 2 points, received 5"):
        draw_plane(points, "task")
    with pytest.raises(ValueError, match="expected columns probability_0"):
        draw_plane(table(sd=[0] * 6), "task")
