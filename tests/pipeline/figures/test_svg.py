"""Panels as SVG elements."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.figures.evaluation import evaluation_part
from pipeline.figures.learning_curve import progress_part, returns_part
from pipeline.figures.panel import Panel, Part
from pipeline.figures.policy import policy_parts
from pipeline.figures.style import COLORS
from pipeline.figures.svg import FULL, HALF, svgs

pytestmark = pytest.mark.filterwarnings("error")


def line_panel(line, **options):
    """A panel that draws one line."""
    return Panel("", "", lambda axes: axes.plot(line), **options)


def parts_of(tables):
    curve = tables.learning_curve
    curve |= dict.fromkeys(("entropy", "gradient_norm"), curve["mean_return"])
    training, observed = policy_parts(tables.action_distribution, tables.visited)
    return [
        returns_part(curve),
        progress_part(curve),
        evaluation_part(tables.evaluation),
        training,
        observed,
    ]


def test_every_panel_of_every_shape_of_task_is_one_element_without_warnings(tables):
    for part in parts_of(tables):
        elements = svgs(part, "task")
        assert len(elements) == len(part.panels)
        for panel, element in zip(part.panels, elements, strict=True):
            assert ElementTree.fromstring(element).tag == "svg"
            assert panel.title
            assert panel.summary.endswith(".")
            assert "nan" not in panel.summary


def test_equal_panels_give_equal_text(make_tables):
    first = [svgs(part, "task") for part in parts_of(make_tables())]
    assert [svgs(part, "task") for part in parts_of(make_tables())] == first


def test_it_names_nothing_outside_itself_and_no_size(make_tables):
    for part in parts_of(make_tables()):
        for element in svgs(part, "task"):
            assert "http" not in element
            assert "<style" not in element
            assert "font-family" not in element
            assert re.match(r'<svg viewBox="0 0 [\d.]+ [\d.]+">', element)


def test_identifiers_are_used_and_differ_between_panels_and_names():
    part, seen = Part([line_panel([1, 2]), line_panel([1, 2])], ""), set[str]()
    for elements in (svgs(part, "a"), svgs(part, "b")):
        for element in elements:
            named = set(re.findall(r' id="([^"]*)"', element))
            used = set(re.findall(r'(?:href="#|url\(#)([^")]*)', element))
            assert named == used != set()
            assert not named & seen
            seen |= named


def test_colors_are_the_pages():
    panel = Panel(
        "",
        "",
        lambda axes: [
            *(axes.plot([place, 0], color=color)[0] for place, color in enumerate(COLORS)),
            *axes.plot([1, 2], color="gray"),
            *axes.plot([1, 2], color="white"),
            *axes.plot([1, 2], color="#123456"),
        ],
    )
    (element,) = svgs(Part([panel], ""), "x")
    for place in range(len(COLORS) - 1):
        assert f"stroke: var(--color-{place})" in element
    for color in ("currentColor", "var(--gray)", "var(--grid)", "var(--paper)", "#123456"):
        assert f"stroke: {color}" in element
    assert not {color.lower() for color in COLORS} & set(re.findall("#[0-9a-f]{6}", element))


def labels(element):
    return re.findall(r"<text[^>]*>([^<]*)</text>", element)


def test_panels_share_limits_where_the_part_says_so():
    low, high = [0.0, 1.0], [10.0, 11.0]
    panels = [line_panel(low), line_panel(high)]
    shared, alone = (svgs(Part(panels, "", shares_y), "x") for shares_y in (True, False))
    assert all({"0", "10"} <= set(labels(element)) for element in shared)
    assert "10" not in labels(alone[0])
    assert "10.2" in labels(alone[1])


def test_own_limits_go_before_shared_ones():
    (element,) = svgs(Part([line_panel([0.4, 0.6], limits=(0, 1))], ""), "x")
    assert {"0.0", "1.0"} <= set(labels(element))


def test_text_is_text_and_titles_and_names_of_y_are_left_to_the_page():
    def draw(axes):
        axes.set(title="the title", ylabel="the return", xlabel="env steps < 3")
        return axes.plot([1, 2], label="a line")

    plain, explained = (
        svgs(Part([Panel("", "", draw, needs_legend=needs_legend)], ""), "x")[0]
        for needs_legend in (False, True)
    )
    assert "env steps &lt; 3" in labels(plain)
    assert "title" not in plain
    assert "return" not in plain
    assert "a line" not in plain
    assert "a line" in labels(explained)


def test_many_points_do_not_make_it_large(make_tables):
    tables = make_tables(num_visited=2000)
    points = np.resize(tables.evaluation["episode_return"], 40_000)
    run, mode = np.repeat(np.arange(20), 2000), np.resize(["greedy", "sampled"], 40_000)
    many = evaluation_part({"run": run, "mode": mode, "episode_return": points})
    observed = policy_parts(tables.action_distribution, tables.visited)[1]
    for element in svgs(many, "x") + svgs(observed, "y", HALF):
        assert len(element) < 150_000
        assert "data:image/png;base64," in element


def test_sizes():
    part = Part([line_panel([1])], "")
    for size in (FULL, HALF):
        width, height = (f"{72 * side:.6g}" for side in size)
        assert svgs(part, "x", size)[0].startswith(f'<svg viewBox="0 0 {width} {height}">')
