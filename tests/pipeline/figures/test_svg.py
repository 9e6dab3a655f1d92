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
    """Make a panel that draws one line."""
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


def test_every_panel_of_every_kind_of_task_is_one_element_without_warnings(tables):
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


def test_an_element_has_no_external_references_and_no_size(make_tables):
    for part in parts_of(make_tables()):
        for element in svgs(part, "task"):
            assert "http" not in element
            assert "<style" not in element
            assert "font-family" not in element
            assert re.match(r'<svg viewBox="0 0 [\d.]+ [\d.]+">', element)


def test_identifiers_are_used_and_unique_across_panels_and_names():
    part, seen = Part([line_panel([1, 2]), line_panel([1, 2])], ""), set[str]()
    for elements in (svgs(part, "a"), svgs(part, "b")):
        for element in elements:
            named = set(re.findall(r' id="([^"]*)"', element))
            used = set(re.findall(r'(?:href="#|url\(#)([^")]*)', element))
            assert named == used != set()
            assert not named & seen
            seen |= named


def test_colors_are_those_of_the_page():
    panel = Panel(
        "",
        "",
        lambda axes: [
            *(axes.plot([i, 0], color=color)[0] for i, color in enumerate(COLORS)),
            *axes.plot([1, 2], color="gray"),
            *axes.plot([1, 2], color="white"),
            *axes.plot([1, 2], color="#123456"),
        ],
    )
    (element,) = svgs(Part([panel], ""), "x")
    for i in range(len(COLORS) - 1):
        assert f"stroke: var(--color-{i})" in element
    for color in ("currentColor", "var(--gray)", "var(--grid)", "var(--paper)", "#123456"):
        assert f"stroke: {color}" in element
    assert not {color.lower() for color in COLORS} & set(re.findall("#[0-9a-f]{6}", element))


def labels(element):
    return re.findall(r"<text[^>]*>([^<]*)</text>", element)


def test_panels_share_limits_if_the_part_says_so():
    low, high = [0.0, 1.0], [10.0, 11.0]
    panels = [line_panel(low), line_panel(high)]
    shared, alone = (svgs(Part(panels, "", shares_y), "x") for shares_y in (True, False))
    assert all({"0", "10"} <= set(labels(element)) for element in shared)
    assert "10" not in labels(alone[0])
    assert "10.2" in labels(alone[1])


def test_a_panels_limits_override_shared_ones():
    (element,) = svgs(Part([line_panel([0.4, 0.6], limits=(0, 1))], ""), "x")
    assert {"0.0", "1.0"} <= set(labels(element))


def test_text_stays_text_and_the_page_adds_titles_and_y_labels():
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


def test_many_points_do_not_make_the_element_large(make_tables):
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
