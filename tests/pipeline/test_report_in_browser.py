"""The report in a browser, opened from a file without network."""

import copy

import pytest

from pipeline import report
from tests.pipeline.browser import CHROMIUM, open_tab
from tests.pipeline.project import write_project
from tests.pipeline.small_task import BANDIT

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on PATH (Debian and Ubuntu: apt-get install chromium)"
)

# Elements outside the window and not in a scrolling box, by name and text.
OUTSIDE = """
[...document.querySelectorAll("body *")]
  .filter(e => !e.closest("svg") && !e.closest(".scrolled") && !e.closest(".card"))
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => `${e.tagName} ${e.textContent.slice(0, 30)}`)
"""
UNSHOWN = "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt)"
# Contrast of text with the page, as WCAG 2 defines it: at least 4.5 except for large text.
CONTRASTS = """
(() => {
  const luminance = color => color.match(/[0-9.]+/g).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  return ["body", "a", ".note", ".lead", "thead th", "figcaption", "summary"].map(selector => {
    const ink = luminance(getComputedStyle(document.querySelector(selector)).color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  });
})()
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Write the report of two tasks, one with a long name and long keyword arguments."""
    folder = tmp_path_factory.mktemp("project")
    named = copy.deepcopy(BANDIT)
    named["env"]["kwargs"] = {"probabilities": [i / 100 for i in range(30)]}
    write_project(folder, {"bandit": BANDIT, "a_rather_long_name_of_a_task": named})
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        report.main([])
    return folder / "report" / "index.html"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with open_tab(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 800, 1400])
def test_the_page_fits_is_complete_and_makes_no_requests(width, scheme, page, tab):
    tab.open(page, width, scheme)
    assert tab.of("Log.entryAdded") == []
    assert tab.of("Runtime.exceptionThrown") == []
    requests = [event["request"]["url"] for event in tab.of("Network.requestWillBeSent")]
    assert [url for url in requests if not url.startswith("data:")] == [page.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("innerWidth") == width
    assert tab.evaluate(OUTSIDE) == []
    assert tab.evaluate(UNSHOWN) == []
    assert min(tab.evaluate(CONTRASTS)) >= 4.5
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(paper.removeprefix("rgb(").partition(",")[0])
    assert (red > 200) == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_use_the_colors_of_the_page(scheme, page, tab):
    tab.open(page, 800, scheme)
    assert tab.evaluate(
        "getComputedStyle(document.querySelector('svg text')).fill === "
        "getComputedStyle(document.body).color"
    )
    bold = tab.evaluate(
        "getComputedStyle(document.querySelector('svg [style*=\"var(--color-0)\"]')).stroke"
    )
    assert bold == {"light": "rgb(0, 114, 178)", "dark": "rgb(74, 168, 224)"}[scheme]


def test_the_film_is_still_for_reduced_motion(page, tab):
    shown = "document.querySelector('picture img').currentSrc.slice(0, 15)"
    for motion, start in (("no-preference", "data:image/gif;"), ("reduce", "data:image/png;")):
        tab.open(page, 800, motion=motion)
        assert tab.evaluate(shown) == start


def test_links_lead_to_the_tasks(page, tab):
    tab.open(page, 800)
    tab.evaluate("document.querySelector('a[href$=long_name_of_a_task]').click()")
    heading = "document.querySelector('h2[id$=long_name_of_a_task]')"
    assert tab.evaluate("scrollY") > 0
    assert abs(tab.evaluate(f"{heading}.getBoundingClientRect().top")) < 5
