"""The style of pictures, and their PNG bytes."""

import struct
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb

from pipeline.figures.evaluation import draw_evaluation
from pipeline.figures.learning_curve import draw_learning_curve
from pipeline.figures.policy import draw_policy
from pipeline.figures.style import COLORS, LINE_STYLES, png

pytestmark = pytest.mark.filterwarnings("error")


def pictures(tables):
    return [
        png(draw_learning_curve(tables.learning_curve, "task")),
        png(draw_evaluation(tables.evaluation, "task")),
        png(draw_policy(tables.action_distribution, tables.visited, "task")),
    ]


def test_every_picture_is_drawn_without_warnings(tables):
    for picture in pictures(tables):
        assert picture.startswith(b"\x89PNG")
        assert struct.unpack(">I", picture[16:20]) == (900,)  # the width in the header


def test_equal_tables_give_equal_bytes(make_tables):
    first = pictures(make_tables())
    assert pictures(make_tables()) == first
    for picture in first:
        assert b"Software" not in picture
        assert b"tIME" not in picture


def test_pictures_neither_depend_on_the_users_settings_nor_change_them(make_tables):
    evaluation = make_tables().evaluation
    picture = png(draw_evaluation(evaluation, "task"))
    settings: Any = {"font.size": 20, "savefig.bbox": "tight", "axes.grid": False}
    with mpl.rc_context(settings):
        assert png(draw_evaluation(evaluation, "task")) == picture
        assert {name: mpl.rcParams[name] for name in settings} == settings


def test_lines_differ_even_without_color():
    assert len(set(LINE_STYLES)) == len({to_rgb(color) for color in COLORS}) == len(COLORS)
