"""What docs/chapter.md shows is true: its examples run, its numbers are theirs, its links lead."""

import doctest
import re
from pathlib import Path

PATH = Path(__file__).parents[1] / "docs" / "chapter.md"
PAGE = PATH.read_text()
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = FENCED.findall(PAGE)
PROSE = FENCED.sub(lambda block: block[2] if block[1] == "math" else "", PAGE)

# What the textbook says of the bandit, beside the table that answers it.
QUOTED = {"0.85", "0.95"}


def test_its_examples_run():
    # By its name the page is one of ours, so that pyproject.toml makes its warnings errors.
    names = {"__name__": "tests.chapter"}
    failed, tried = doctest.testfile(
        str(PATH), module_relative=False, globs=names, encoding="utf-8"
    )
    assert tried > 100
    assert failed == 0


def test_every_example_is_in_a_block_that_doctest_can_end():
    # A fence right behind an output would be taken for a part of it.
    consoles = [text for language, text in BLOCKS if language == "pycon"]
    assert sum(text.count(">>> ") for text in consoles) == PAGE.count(">>> ")
    assert all(text.endswith("\n\n") for text in consoles)


def test_every_decimal_number_of_its_prose_is_that_of_an_example():
    computed = {
        number
        for language, text in BLOCKS
        if language != "math"
        for number in re.findall(r"\d+\.\d+", text)
    }
    sections = r"(?:sections?|equations?)\s[\d.]+(?:\sand\s[\d.]+)?"
    written = re.findall(r"\d+\.\d+", re.sub(sections, "", PROSE))
    assert written
    assert set(written) - computed <= QUOTED <= set(written)


def test_its_links_lead_somewhere():
    headings = re.findall(r"^#+ (.*)$", PROSE, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    targets = re.findall(r"\]\(([^)]+)\)", PROSE)
    assert targets
    for target in targets:
        file, _, anchor = target.partition("#")
        assert (PATH.parent / file).exists(), target
        assert file or anchor in anchors, target


def test_its_sources_are_those_that_it_cites():
    text, _, sources = PROSE.partition("## Sources")
    listed = re.findall(r"^- (?:\w\. )+(\w+).*?\((\d{4})\)", sources, re.DOTALL | re.MULTILINE)
    assert len(listed) == sources.count("\n- ")
    for surname, year in listed:
        assert re.search(rf"{surname}.{{0,40}}{year}", text, re.DOTALL), (surname, year)
    assert set(re.findall(r"\b(?:19|20)\d\d\b", text)) == {year for _, year in listed}


def test_every_file_it_names_is_there():
    names = set(re.findall(r"`((?:pipeline|models|tests)/[\w/]+(?:\.py|/))`", PAGE))
    assert names
    for name in names:
        assert (PATH.parents[1] / name).exists(), name
