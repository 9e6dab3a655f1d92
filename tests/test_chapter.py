"""Tests of docs/chapter.md: its examples run, its numbers come from them, its links are right."""

import ast
import doctest
import re
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from pipeline.variance import format_table

REPOSITORY = Path(__file__).parents[1]
PATH = REPOSITORY / "docs" / "chapter.md"
PAGE = PATH.read_text()
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = FENCED.findall(PAGE)
PROSE = FENCED.sub(lambda block: block[2] if block[1] == "math" else "", PAGE)

# Numbers that the page quotes from a textbook, to compare them with the table.
QUOTED = {"0.85", "0.95"}


def test_its_examples_run():
    # With a module name of this project, pyproject.toml turns its warnings into errors.
    names = {"__name__": "tests.chapter"}
    failed, tried = doctest.testfile(
        str(PATH), module_relative=False, globs=names, encoding="utf-8"
    )
    assert tried > 100
    assert failed == 0


def test_every_example_is_in_a_block_that_doctest_can_end():
    # doctest would read a fence directly after an output as part of the output.
    consoles = [text for language, text in BLOCKS if language == "pycon"]
    assert sum(text.count(">>> ") for text in consoles) == PAGE.count(">>> ")
    assert all(text.endswith("\n\n") for text in consoles)


def test_every_decimal_number_in_its_prose_is_in_an_example():
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


def test_it_explains_each_column_of_variance():
    ends = ("", "_low", "_high")
    names = ("squared_norm", "total_variance", "relative_variance", "signal_to_noise")
    columns = [name + end for name in (*names, "num_episodes_for_1") for end in ends]
    table = {name: np.ones(1) for name in ["explained_variance", *columns]}
    table |= {"policy": np.array(["initial"]), "baseline": np.array(["none"])}
    titles = re.split(r"\s{2,}", format_table(table).splitlines()[0])
    assert len(titles) == 8
    for title in titles[2:]:  # after `policy` and `baseline`
        assert f"`{title}`" in PROSE.replace("\n", " "), title


def test_its_sources_are_those_that_it_cites():
    text, _, sources = PROSE.partition("## Sources")
    listed = re.findall(r"^- (?:\w\. )+(\w+).*?\((\d{4})\)", sources, re.DOTALL | re.MULTILINE)
    assert len(listed) == sources.count("\n- ")
    for surname, year in listed:
        assert re.search(rf"{surname}.{{0,40}}{year}", text, re.DOTALL), (surname, year)
    assert set(re.findall(r"\b(?:19|20)\d\d\b", text)) == {year for _, year in listed}


def definitions(path):
    """Collect the names that a Python file defines: functions, classes and `Class.method`."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            names |= {f"{node.name}.{method.name}" for method in methods}
    return names


def mentions(text):
    """Find each `code` in a text and the file of this repository that it links to, if any."""
    found = re.findall(r"(?:\[`([^`\n]+)`\]\(\.\./([^)#]+)\))|`([^`\n]+)`", text)
    return [(linked or code, file) for linked, file, code in found]


def is_path(code):
    return re.fullmatch(r"[\w./-]+(?:\.(?:py|yaml|md)|/)", code) is not None


def test_every_linked_path_exists():
    paths = [(code, file) for code, file in mentions(PROSE) if file and is_path(code)]
    assert paths
    for code, file in paths:
        assert code.rstrip("/") == file.rstrip("/")
        assert (REPOSITORY / file).exists(), file


def test_every_linked_function_is_defined_in_the_linked_file():
    functions = [(code, file) for code, file in mentions(PROSE) if file and not is_path(code)]
    assert len(functions) > 10
    for code, file in functions:
        assert code in definitions(REPOSITORY / file), (code, file)


def test_every_function_and_path_is_a_link_where_a_section_first_names_it():
    packages = ("environments", "models", "reinforce", "pipeline")
    files = (file for package in packages for file in (REPOSITORY / package).rglob("*.py"))
    names = set().union(*map(definitions, files))
    tasks = YAML().load(REPOSITORY / "params.yaml")["tasks"]  # `bandit` is also a function
    for section in re.split(r"^#+ ", PROSE, flags=re.MULTILINE):
        seen: set[str] = set()
        for code, file in mentions(section):
            if (code in names or is_path(code)) and code not in seen | set(tasks):
                assert file, (code, section.partition("\n")[0])
            seen.add(code)
