"""The types of command-line arguments."""

import argparse

import pytest

from pipeline.process.arguments import count, file_to_write, seconds


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "two", ""])
def test_a_count_is_at_least_1(text):
    assert count("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match=f"at least 1, received '{text}'"):
        count(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "two", ""])
def test_seconds_are_finite_and_above_0(text):
    assert seconds("0.5") == 0.5
    with pytest.raises(argparse.ArgumentTypeError, match=f"above 0, received '{text}'"):
        seconds(text)


@pytest.mark.parametrize("text", ["", ".", "file", "file.jpg", "folder.png"])
def test_a_file_to_write_has_the_suffix_and_is_not_a_folder(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    assert str(file_to_write(".png")("deep/file.PNG")) == "deep/file.PNG"
    with pytest.raises(argparse.ArgumentTypeError, match="name ending in .png, received"):
        file_to_write(".png")(text)
