"""Stage `report`, which writes one page from the files of all tasks."""

import copy
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import report
from pipeline.task.artifacts import read_table, write_json, write_table
from tests.pipeline.project import METRICS, write_project
from tests.pipeline.small_task import BANDIT

VOID = {"br", "img", "meta", "source", "wbr"}
HEADINGS = ["h1", "h2", "h3"]
PARTS = [
    "Learning curve",
    "Evaluation",
    "Entropy and gradient norm",
    "Gradient variance by baseline",
    "What the policy does",
    "Parameters",
    "Commands",
]


class Page(HTMLParser):
    """The elements of a page in order, with their text; tags must be properly nested."""

    def __init__(self, text):
        super().__init__()
        self.elements: list[dict[str, Any]] = []
        self._open: list[dict[str, Any]] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def of(self, *tags):
        return [element for element in self.elements if element["tag"] in tags]

    def texts(self, *tags):
        return [" ".join(element["text"].split()) for element in self.of(*tags)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Make a project of two tasks whose stages have run; the second has text to be escaped."""
    folder = tmp_path_factory.mktemp("project")
    named = copy.deepcopy(BANDIT)
    named["env"] = {
        "id": "tests.environments.made_up:RepeatDiscrete-v0",
        "kwargs": {"name": "</code><script>alert('1')</script>"},
    }
    write_project(folder, {"bandit": BANDIT, "long_name-2": named})
    return folder


@pytest.fixture
def project(finished, tmp_path, monkeypatch):
    """Change to a copy of the project, which tests may modify."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(project):
    report.main([])
    return (project / "report" / "index.html").read_text(encoding="utf-8")


def refusal(*arguments):
    """Return the message with which the report exits at status 1."""
    with pytest.raises(SystemExit) as end:
        report.main(list(arguments))
    assert isinstance(end.value.code, str)  # Python exits with status 1
    return end.value.code


# The page ---------------------------------------------------------------------------------------


def test_every_task_has_all_parts_in_order(project, capsys):
    page = Page(written(project))
    assert page.texts("h2") == ["Results", "bandit", "long_name-2"]
    assert page.texts("h3") == ["How to read the table", *PARTS, *PARTS]
    assert capsys.readouterr().out.startswith("report/index.html: bandit, long_name-2; 0.")


def test_headings_go_down_one_level_at_a_time(project):
    levels = [HEADINGS.index(element["tag"]) for element in Page(written(project)).of(*HEADINGS)]
    assert levels[0] == 0
    assert levels.count(0) == 1
    assert max(np.diff(levels)) == 1


def test_it_needs_no_other_file_and_no_network(project):
    text = written(project)
    page = Page(text)
    ids = [element["id"] for element in page.elements if "id" in element]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        for name in ("src", "srcset", "href", "xlink:href", "data", "action", "poster"):
            address = element.get(name, "data:")
            assert address.startswith("data:") or address.removeprefix("#") in ids, element["tag"]
    assert not page.of("script", "link", "iframe", "object", "embed", "base")
    assert not re.search(r"@import|url\((?!#)|https?:", text)
    (policy,) = (e["content"] for e in page.of("meta") if "http-equiv" in e)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_every_picture_has_a_text_with_its_numbers(project):
    page = Page(written(project))
    pictures = page.of("svg")
    assert len(pictures) == 2 * 6  # six panels per task, as in test_plot
    assert all(picture["role"] == "img" for picture in pictures)
    labels = [picture["aria-label"] for picture in pictures]
    assert all(re.search(r"\d", label) for label in labels)
    assert "0.700 after 1 training episodes, 0.400 [0.300, 0.500] after 2." in labels[3]
    films = [image for image in page.of("img") if image["src"].startswith("data:image/gif")]
    assert len(films) == 2
    for film in films:
        assert "an episode of 41 steps and return 23.0, its first 8 seconds" in film["alt"]
        assert (film["width"], film["height"]) == ("6", "4")


def test_tables_have_captions_and_headers_and_the_numbers(project):
    page = Page(written(project))
    assert len(page.of("table")) == len(page.texts("caption")) == 1 + 2
    assert all(element["scope"] in ("col", "row") for element in page.of("th"))
    rows = page.texts("tr")
    assert rows[1] == (
        "bandit Bandit-v0 Categorical, no hidden layer leave_one_out 2 × 40 −146 [−153, −140] "
        "worst run −157 0.664 [0.654, 0.674] worst run 0.632"
    )
    assert "Greedy −146 −153 to −140 −157" in rows
    assert "was −5.00 before training and is 12.3 after it" in " ".join(page.texts("p"))


def test_the_commands_are_those_of_dvc_yaml(project):
    commands = Page(written(project)).texts("li")
    for stage in ("rollout", "train", "evaluate", "plot"):
        command = f"python -m pipeline {stage} long_name-2 "
        assert [text for text in commands if text.startswith(command)]


def test_defaults_are_folded_away(project):
    page = Page(written(project))
    given, defaults = page.texts("pre")[:2]
    assert "learning_rate: 0.05" in given
    assert "reward_scale" not in given
    folded = [fold["text"] for fold in page.of("details") if "open" not in fold]
    assert len(folded) == 2
    assert defaults in " ".join(folded[0].split())
    assert "reward_scale: 1.0" in defaults


def test_films_are_still_for_print_and_reduced_motion(project):
    page = Page(written(project))
    still = page.of("source")
    assert [source["media"] for source in still] == ["print, (prefers-reduced-motion: reduce)"] * 2
    assert all(source["srcset"].startswith("data:image/png;base64,") for source in still)
    assert all("open" in fold for fold in page.of("details") if "playing" in fold["text"])


def test_what_tasks_and_files_say_is_escaped(project):
    dvc = project / "dvc.yaml"
    dvc.write_text(dvc.read_text().replace("desc: Train", "desc: <script>Train"))
    panels = project / "data" / "bandit" / "panels.json"
    panels.write_text(panels.read_text().replace("Entropy over", '<script>\\"Entropy over'))
    text = written(project)
    page = Page(text)
    assert "<script" not in text
    assert not page.of("script")
    assert "</code><script>alert('1')</script>" in "".join(page.texts("pre"))
    assert any("name </code><script>" in cell for cell in page.texts("td"))
    assert any("<script>Train" in item for item in page.texts("li"))
    assert '<script>"Entropy over training episodes' in page.texts("figcaption")
    assert any(e["aria-label"].startswith('<script>"Entropy') for e in page.of("svg"))


def test_equal_files_give_equal_bytes_without_paths_or_dates(
    project, tmp_path_factory, monkeypatch
):
    text = written(project)
    assert written(project) == text
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(project, elsewhere, dirs_exist_ok=True)
    monkeypatch.chdir(elsewhere)
    assert written(elsewhere) == text
    assert str(project) not in text
    assert not re.search(r"\b20[0-9]{2}-[0-9]{2}", text)  # no date


def test_without_a_film_it_says_why(project):
    folder = project / "data" / "bandit" / "film"
    shutil.rmtree(folder)
    write_json(folder / "film.json", {"why_not": "Bandit-v0: no render mode"})
    page = Page(written(project))
    assert len([image for image in page.of("img") if "gif" in image["src"][:20]]) == 1
    assert "No film: Bandit-v0: no render mode" in page.texts("p")
    assert "pipeline play bandit" not in "".join(page.texts("main"))
    assert "pipeline play long_name-2" in "".join(page.texts("main"))


def test_the_noise_of_the_gradient_is_shown(project):
    path = project / "data" / "bandit" / "variance.csv"
    table = read_table(path, [])
    write_table(path, table | {"signal_to_noise": np.array([1.931, np.nan])})
    picture = Page(written(project)).of("img")[1]
    assert picture["src"].startswith("data:image/png;base64,")
    assert "initial policy, none: 1.93; trained policy, per_step: undefined" in picture["alt"]


def test_the_noise_of_the_gradient_is_shown_only_if_it_is_measured(project):
    params = project / "params.yaml"
    measured = "  bandit: {num_batches: 10, num_runs: 2}\n"
    assert measured in params.read_text()
    params.write_text(params.read_text().replace(measured, ""))
    (project / "data" / "bandit" / "variance.csv").unlink()
    text = written(project)
    assert text.count("Gradient variance by baseline</h3>") == 1
    assert "pipeline variance bandit" not in text
    assert "pipeline variance long_name-2" in text


def test_a_plane_of_states_is_shown_where_there_is_one(project):
    num_pictures = len(Page(written(project)).of("img"))
    Image.new("RGB", (9, 5)).save(project / "data" / "bandit" / "plots" / "plane.png")
    page = Page(written(project))
    assert len(page.of("img")) == num_pictures + 1
    assert any("over a plane of states" in image["alt"] for image in page.of("img"))


# The table --------------------------------------------------------------------------------------


def test_the_readme_gets_the_table_and_is_otherwise_unchanged(project):
    for task in ("bandit", "long_name-2"):
        (project / "data" / task / "panels.json").unlink()  # the table does not need it
    readme = project / "README.md"
    readme.write_text(f"# Über\n\n{report.START}| old |\n{report.END}\nEnd.\n")
    report.main(["--readme"])
    before, _, rest = readme.read_text().partition(report.START)
    table, _, after = rest.partition(report.END)
    assert (before, after) == ("# Über\n\n", "\nEnd.\n")
    lines = table.splitlines()
    assert len(lines) == 2 + 2
    assert lines[2].startswith("| `bandit` | `Bandit-v0` |")
    assert "−146\u00a0[−153,\u00a0−140]" in lines[2]
    assert not (project / "report").exists()


@pytest.mark.parametrize("text", ["", report.START, report.END + report.START])
def test_a_readme_without_the_marks_of_the_table_is_unchanged(text, project):
    (project / "README.md").write_text(text)
    assert refusal("--readme").startswith("README.md: expected the lines <!-- results")
    assert (project / "README.md").read_text() == text


@pytest.mark.usefixtures("project")
def test_without_a_readme():
    assert refusal("--readme") == "README.md: No such file or directory"


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["metrics.json", "panels.json", "film/film.json", "film/film.gif", "variance.csv"]
)
@pytest.mark.parametrize("content", [None, b"", b"\xff{", b"{}", b"GIF89a"])
def test_a_missing_or_damaged_file_is_named_and_the_page_is_kept(name, content, project):
    page = project / "report" / "index.html"
    page.parent.mkdir()
    page.write_text("before")
    path = project / "data" / "bandit" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    message = refusal()
    mistake = "no such file; run `dvc repro`" if content is None else "expected "
    assert message.startswith(f"data/bandit/{name}: {mistake}")
    assert "\n" not in message
    assert page.read_text() == "before"
    assert list(page.parent.iterdir()) == [page]


def test_metrics_without_a_number_are_named(project):
    write_json(
        project / "data" / "bandit" / "metrics.json", {"bandit": METRICS | {"greedy": "high"}}
    )
    assert refusal("--readme").startswith(
        "data/bandit/metrics.json: expected the output of its stage, received greedy: "
    )


def test_a_panel_that_is_no_svg_is_named(project):
    path = project / "data" / "bandit" / "panels.json"
    path.write_text(path.read_text().replace("<svg viewBox", "<script>", 1))
    assert refusal().startswith(
        "data/bandit/panels.json: expected the output of its stage, received"
    )


def test_a_mistake_in_the_parameters_is_named(project):
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("num_runs: 2", "num_runs: 0", 1))
    assert refusal() == (
        "params.yaml: tasks.bandit.num_runs: expected an integer from 1 to 2147483647, received 0"
    )


def test_it_imports_neither_tensorflow_nor_matplotlib():
    heavy = "{'tensorflow', 'matplotlib'}"
    code = f"import sys, pipeline.report; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
