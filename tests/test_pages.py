"""The pages tell the truth: their links lead somewhere, and README.md and deploy.md run."""

import itertools
import re
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces
from ruamel.yaml import YAML

from models.heads import make_head
from models.networks import make_policy_network
from models.policy import Policy
from models.savedmodel import save
from pipeline import report

REPOSITORY = Path(__file__).parents[1]
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted(REPOSITORY.glob("docs/*.md"))]
README = (REPOSITORY / "README.md").read_text()


def without_code(page):
    return re.sub(r"^```.*?^```|^ {4}.*?$", "", page, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """Collect the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(path):
    text = without_code(path.read_text())
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for link in links:
        if not link.startswith("https://"):
            file, _, anchor = link.partition("#")
            target = path.parent / file if file else path
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text()), link


def test_every_page_and_picture_is_linked():
    links = {
        (path.parent / link.partition("#")[0]).resolve()
        for path in PAGES
        for link in re.findall(r"(?:\]\(|src=\")([^)\s\"]+)", path.read_text())
    }
    pictures = set((REPOSITORY / "docs" / "pictures").iterdir())
    assert ({*PAGES} | pictures) - links <= {REPOSITORY / "README.md"}


def test_the_terms_of_the_glossary_are_in_alphabetical_order():
    page = (REPOSITORY / "docs" / "glossary.md").read_text()
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
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


def test_architecture_names_what_its_files_define():
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    rows = re.findall(
        r"^\| [^|]+ \| \[[^]]+\]\(\.\./([^)]+)\)[^|]* \| `([^|]+)` \|$", page, re.MULTILINE
    )
    assert len(rows) > 8
    for file, names in rows:
        for name in re.split(r"`, `|\.", names):
            assert re.search(rf"\b(def|class) {name}\b", (REPOSITORY / file).read_text()), name


def test_the_example_of_an_exported_policy_runs(tmp_path, monkeypatch, capsys):
    page = (REPOSITORY / "docs" / "deploy.md").read_text()
    head = make_head(spaces.Discrete(2))
    network = make_policy_network(4, [8], "tanh", head, np.random.SeedSequence(0))
    save(Policy(network, head, 4), tmp_path / "data" / "cartpole" / "policy")
    monkeypatch.chdir(tmp_path)
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "deploy.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "probability_0" in printed
    assert "log_prob" in printed
    [for_serving] = re.findall(r"^    (mkdir .* serving/.*)$", page, re.MULTILINE)
    subprocess.run(for_serving, shell=True, check=True)
    base = re.findall(r"--model_base_path=\$PWD/(\S+)", page)[0]
    assert (tmp_path / base / "1" / "saved_model.pb").is_file()


def test_the_table_of_results_is_what_the_command_writes(monkeypatch, tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(README)
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(report, "README", copy)
    report.main(["--readme"])
    assert copy.read_text() == README, "`python -m pipeline report --readme` updates it"


def test_the_figures_of_cartpole_are_those_of_the_measurements():
    page = (REPOSITORY / "docs" / "performance.md").read_text()
    [(solved, env_steps, seconds)] = re.findall(
        r"^\| `cartpole` \| 10 of (10) \| ([\d,]+) \| [\d,]+ \| ([\d.]+) \|", page, re.MULTILINE
    )
    rounded = f"{round(int(env_steps.replace(',', '')), -3):,}"
    said = f"solves CartPole-v1 in {rounded} env steps and {float(seconds):.1f} s of training"
    assert solved == "10"
    assert said in " ".join(README.split())


def test_the_films_are_those_of_the_task_as_it_is():
    params = YAML(typ="safe").load(REPOSITORY / "params.yaml")
    num_episodes = params["tasks"]["pendulum"]["train"]["num_episodes"]
    assert f"| after {num_episodes:,} episodes |" in README


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    citation = YAML(typ="safe").load(REPOSITORY / "CITATION.cff")
    assert citation["version"] == version
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    latest, *_ = re.findall(r"^## (\S+) ", changelog, re.MULTILINE)
    assert latest == version
