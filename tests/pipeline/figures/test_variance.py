"""The picture of the gradient's noise."""

from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pipeline.figures.variance import draw_variance

pytestmark = pytest.mark.filterwarnings("error")

BASELINES = ["none", "leave_one_out", "per_step", "value"]
STATISTICS = ("total_variance", "relative_variance", "signal_to_noise", "num_episodes_for_1")


def noise(**changed):
    """Make a table of two policies and four baselines; `changed` sets last values of columns."""
    table: dict[str, Any] = {
        "policy": np.repeat(["initial", "trained"], 4),
        "baseline": np.array(BASELINES * 2),
        "num_runs": np.full(8, 3),
        "num_batches": np.full(8, 20),
        "num_episodes": np.full(8, 16),
    }
    for name in STATISTICS:
        value = np.array([1.0, 0.5, 0.25, 0.125] * 2)
        table |= {name: value, f"{name}_low": value / 2, f"{name}_high": value * 2}
    for name, last in changed.items():
        table[name] = np.append(table[name][:-1], last)
    return table


def panels(figure):
    """Return the panels: initial variance, trained variance, initial ratio, trained ratio."""
    return figure.axes


def drawn(panel):
    """Return each line of a panel except the one at 1, as (marker, x, y)."""
    return [
        (line.get_marker(), *map(np.ravel, line.get_data()))
        for line in panel.lines
        if line.get_linestyle() != "--"
    ]


def labels(panel):
    """Return the labels to the right of a panel."""
    [axis] = panel.child_axes
    return [text.get_text() for text in axis.get_yticklabels()]


def test_estimates_and_intervals_are_drawn_at_their_values():
    table = noise()
    table["signal_to_noise"] = np.arange(1, 9) / 4
    table["signal_to_noise_low"] = np.arange(1, 9) / 8
    table["signal_to_noise_high"] = np.arange(1, 9) / 2
    figure = draw_variance(table, "task")
    assert figure.get_suptitle() == (
        "task: gradient noise, 3 runs, 20 batches of 16 episodes per policy"
    )
    top, _, _, bottom = panels(figure)
    assert top.get_title() == "initial policy"
    assert [text.get_text() for text in top.get_yticklabels()] == BASELINES
    for row in range(4):
        _, x, y = drawn(top)[2 * row]
        np.testing.assert_allclose(x, [0.5 ** (row + 1), 2 * 0.5**row])
        np.testing.assert_array_equal(y, [row, row])
        marker, x, y = drawn(bottom)[2 * row + 1]
        assert marker in "os^D"
        np.testing.assert_allclose([*x, *y], [(5 + row) / 4, row])
    assert len({marker for marker, *_ in drawn(top)} - {"None"}) == 4
    first_row, last_row = (panel.get_ylim() for panel in (top, bottom))
    assert first_row == last_row == (3.5, -0.5)  # the first baseline on top


def test_panels_of_a_row_share_the_axis():
    figure = draw_variance(noise(signal_to_noise=30.0, signal_to_noise_high=60.0), "task")
    top, _, initial, trained = panels(figure)
    assert initial.get_xlim() == trained.get_xlim()
    assert initial.get_xlim()[1] > 60 > top.get_xlim()[1] > 2


def test_an_interval_that_includes_0_has_an_arrow_and_a_minimum_number_of_episodes():
    table = noise(
        signal_to_noise=0.0,
        signal_to_noise_low=0.0,
        signal_to_noise_high=0.25,
        num_episodes_for_1=np.inf,
        num_episodes_for_1_low=256.0,
        num_episodes_for_1_high=np.inf,
    )
    trained = panels(draw_variance(table, "task"))[3]
    (_, x, _), (marker, at, row) = drawn(trained)[-2:]
    left = trained.get_xlim()[0]
    np.testing.assert_allclose(x, [left, 0.25])
    assert (marker, at, row) == ("<", left, 3)  # and no estimate, which is 0
    assert labels(trained) == ["1", "0.5", "0.25", "≥ 256"]


def test_an_interval_without_an_upper_end_has_an_arrow():
    # In addition, the number of episodes is undetermined.
    unknown = {"num_episodes_for_1_low": 0.0, "num_episodes_for_1_high": np.inf}
    trained = panels(draw_variance(noise(signal_to_noise_high=np.inf, **unknown), "task"))[3]
    assert labels(trained)[-1] == "–"
    assert [(marker, *at) for marker, at, row in drawn(trained) if marker == ">"] == [
        (">", trained.get_xlim()[1])
    ]


def test_undefined_estimates_are_labeled():
    figure = draw_variance(noise(signal_to_noise=np.nan, num_episodes_for_1=np.nan), "task")
    trained = panels(figure)[3]
    [text] = trained.texts
    assert text.get_text() == "undefined: zero variance"
    assert text.get_position()[1] == 3
    assert labels(trained)[-1] == "–"
    assert all(3 not in y for _, _, y in drawn(trained))


def test_undetermined_estimates_are_labeled_and_have_no_line():
    unknown = {"signal_to_noise_low": 0.0, "signal_to_noise_high": np.inf}
    unknown |= {"num_episodes_for_1_low": 0.0, "num_episodes_for_1_high": np.inf}
    trained = panels(draw_variance(noise(**unknown), "task"))[3]
    [text] = trained.texts
    assert text.get_text() == "undetermined: from 0 to ∞"
    assert text.get_position()[1] == 3
    assert labels(trained)[-1] == "–"
    assert all(3 not in y for _, _, y in drawn(trained))


def test_infinite_estimates_have_an_arrow_and_no_number():
    infinite = {f"num_episodes_for_1{end}": np.inf for end in ("", "_low", "_high")}
    infinite |= {f"relative_variance{end}": np.inf for end in ("", "_low", "_high")}
    _, top, _, trained = panels(draw_variance(noise(**infinite), "task"))
    assert labels(trained)[-1] == "∞"
    _, [marker, x, _] = [line for line in drawn(top) if 3 in line[2]]
    assert (marker, *x) == (">", top.get_xlim()[1])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (0.0123, "0.012"), (12.3, "12"), (123.4, "123"), (12345.6, "12.3k")],
)
def test_numbers_next_to_the_lines(value, expected):
    assert labels(panels(draw_variance(noise(total_variance=value), "task"))[1])[-1] == expected


@pytest.mark.parametrize("small", [1e-30, 0.0])
def test_an_axis_spans_at_most_six_decades(small):
    trained = panels(draw_variance(noise(relative_variance=small), "task"))[1]
    left, right = trained.get_xlim()
    assert right / left <= 1.001e6
    assert small < left < 0.1 < right


def test_nothing_overlaps_or_is_cut_off():
    figure = draw_variance(noise(total_variance=999.9e6), "task")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # runs the layout
    renderer = canvas.get_renderer()
    for left, right in (panels(figure)[:2], panels(figure)[2:]):
        assert left.get_tightbbox(renderer).x1 <= right.get_tightbbox(renderer).x0
    for above, below in zip(panels(figure)[:2], panels(figure)[2:], strict=True):
        assert below.get_tightbbox(renderer).y1 <= above.get_tightbbox(renderer).y0
    assert panels(figure)[1].get_tightbbox(renderer).x1 <= canvas.get_width_height()[0]


@pytest.mark.parametrize("column", ["signal_to_noise_low", "num_batches"])
def test_refuses_columns_that_are_not_numbers(column):
    table = noise()
    table[column] = table[column].astype(str)
    with pytest.raises(ValueError, match=f"expected (finite )?numbers in column {column}"):
        draw_variance(table, "task")
