"""The links of all pages lead to files and headings that exist; the glossary is in order."""

import itertools
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def prose(path):
    """Read a page without its code."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(path):
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_file_and_a_heading(page):
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    for link in links:
        file, _, anchor = link.partition("#")
        if "://" not in link:
            target = page.parent / file if file else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_the_terms_of_the_glossary_are_in_alphabetical_order():
    sections = re.split(r"^## ", prose(REPOSITORY / "docs" / "glossary.md"), flags=re.MULTILINE)[1:]
    letters = [section[0] for section in sections]
    assert letters == sorted(letters)
    for section in sections:
        terms = re.findall(r"^- \*\*(.+?)\*\*", section, re.MULTILINE)
        assert terms
        assert all(term.strip("`")[0].upper() == section[0] for term in terms), terms
        plain = [term.replace("`", "").casefold() for term in terms]
        for first, second in itertools.pairwise(plain):
            # The baselines are in the order of the chapter.
            assert first < second or second.startswith("baseline "), (first, second)
