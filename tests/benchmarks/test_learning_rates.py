"""The learning-rate experiment: its counts, table, figure and JSON."""

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from benchmarks import learning_rates
from benchmarks.learning_rates import Curves, draw_settings, main, summarize

CHAPTER = (Path(__file__).parents[2] / "docs" / "chapter.md").read_text()


def test_four_runs_are_summarized():
    # P(B) of four runs (columns) at four times (rows). Run 0 never falls. Run 1 falls from 0.9 to
    # 0.4 and recovers to 0.85. Run 2 falls from 0.5 to 0.04. Run 3 ends where it began.
    curves = np.array(
        [
            [0.5, 0.5, 0.5, 0.5],
            [0.6, 0.9, 0.3, 0.7],
            [0.7, 0.4, 0.1, 0.5],
            [0.8, 0.85, 0.04, 0.5],
        ]
    )
    summary = summarize(curves)
    # Final values 0.04, 0.5, 0.8, 0.85: the median is 0.65, the 5% quantile 0.04 + 0.15 · 0.46.
    np.testing.assert_allclose(summary.final, [0.109, 0.65, 0.8425])
    # Falls 0, 0.2, 0.46, 0.5.
    np.testing.assert_allclose(summary.largest_fall, [0.03, 0.33, 0.494])
    assert summary.learned.share == 0.5  # 0.8 counts
    assert summary.locked.share == 0.25
    assert summary.swung.share == 0


def test_a_run_that_was_on_the_wrong_arm_and_ends_on_the_right_one_has_swung():
    curves = np.array([[0.5, 0.5, 0.5], [0.24, 0.26, 0.24], [0.76, 0.76, 0.74]])
    assert summarize(curves).swung.share == pytest.approx(1 / 3)


def test_a_share_has_its_wilson_interval():
    # None of 10 runs: from 0 to z² / (n + z²), with z = 1.95996: 3.84146 / 13.84146.
    locked = summarize(np.full((2, 10), 0.5)).locked
    np.testing.assert_allclose(locked, [0, 0, 0.277533], atol=1e-6)
    assert str(locked) == "0.0% [0.0%, 27.8%]"


def test_a_run_just_outside_the_bounds_is_not_counted():
    summary = summarize(np.array([[0.5, 0.5], [0.7999, 0.05]]))
    assert summary.learned.share == summary.locked.share == 0


@pytest.mark.filterwarnings("error")
def test_a_locked_run_is_drawn():
    curves: Curves = {("adam", rate): np.linspace(0.5, [0.9, 0.01], 5) for rate in (1, 2, 3, 4)}
    panel = draw_settings(curves).axes[0]
    ends = [np.asarray(line.get_ydata())[-1] for line in panel.lines]
    np.testing.assert_allclose(ends, [0.01, (0.9 + 0.01) / 2])  # the run, the median
    assert "locked onto arm A: 50.0%" in panel.get_title()


def parsed_numbers(text):
    """Find the numbers of a line, percentages as shares."""
    found = re.findall(r"(\d+\.?\d*)( %)?", text)
    return [float(number) / (100 if percent else 1) for number, percent in found]


def test_the_command_prints_what_the_chapter_shows(tmp_path, capsys):
    # On another processor, rounding may change the outcome of a run or two: allow 0.3% of 1,000.
    picture, measured = tmp_path / "new" / "picture.png", tmp_path / "measured.json"
    main(["--picture", str(picture), "--json", str(measured)])
    printed = capsys.readouterr().out
    [shown] = re.findall(r"^( +learning .*?)^```", CHAPTER, re.DOTALL | re.MULTILINE)
    assert re.sub(r"[\d.]+", "", shown).split() == re.sub(r"[\d.]+", "", printed).split()
    for line, expected in zip(shown.splitlines(), printed.splitlines(), strict=True):
        np.testing.assert_allclose(
            parsed_numbers(line), parsed_numbers(expected), rtol=0, atol=0.003
        )
    assert struct.unpack(">I", picture.read_bytes()[16:20]) == (900,)
    settings = json.loads(measured.read_text())
    assert [setting["learning_rate"] for setting in settings] == [0.01, 0.1, 0.01, 0.1]
    slow, fast = (setting["final"][1] for setting in settings[2:])
    assert 0.6 < slow < 0.8 < fast  # medians


def test_mistakes_end_in_one_message(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--runs", "0"])
    assert exit_.value.code == 2
    assert "--runs: expected an integer of at least 1, received '0'" in capsys.readouterr().err
    curves: Curves = {("adam", rate): np.full((3, 1), 0.5) for rate in (1, 2, 3, 4)}
    monkeypatch.setattr(learning_rates, "train_settings", lambda num_runs: curves)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="file"):
        main(["--picture", str(tmp_path / "file" / "picture.png")])
