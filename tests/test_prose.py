"""The checks of the project's English."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "prose.py"
LONG = "word " * 40 + "end."


def check(path, text):
    path.write_text(text)
    return subprocess.run([sys.executable, TOOL, path], capture_output=True, text=True, check=False)


def test_sentences_are_counted_without_code_headings_and_links(tmp_path):
    # Two sentences, of 3 and of 5 words: their median is 4.
    page = f"# A heading\n\nOne [two](x.md) three. Four five `six` 7 8!\n\n    {LONG}\n"
    result = check(tmp_path / "page.md", page)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[1].split()[1:] == ["2", "4", "3"]


def test_a_page_of_long_sentences_is_refused(tmp_path):
    result = check(tmp_path / "page.md", f"{LONG} {LONG.capitalize()}\n")
    assert result.returncode == 1
    assert "page.md: expected 18 and 32 words, received 41 and 41\n" in result.stderr
    assert "page.md: 41 words: word word" in result.stderr


@pytest.mark.parametrize(
    ("docstring", "mistake"),
    [
        ("What it returns.", "expected no docstring that begins so: 'What it returns.'"),
        # In two parts, since this file is checked, too.
        ("Return what is lear" + "nt.", "py:2: expected 'learned', received "),
    ],
)
def test_docstrings_and_words_are_checked(tmp_path, docstring, mistake):
    result = check(tmp_path / "code.py", f'def f():\n    """{docstring}"""\n')
    assert result.returncode == 1
    assert mistake in result.stderr


def test_imperatives_are_counted_but_for_properties(tmp_path):
    code = '"""A module."""\n\ndef f():\n    """Return 1."""\n\ndef g():\n    """The result."""\n\n'
    code += 'class C:\n    @property\n    def p(self):\n        """The property."""\n'
    result = check(tmp_path / "code.py", code)
    assert result.returncode == 0, result.stderr
    assert "4 docstrings; 1 of 2 functions' in the imperative" in result.stdout
