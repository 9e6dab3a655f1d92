"""Finding the files that a module imports from their text."""

import ast

from pipeline.runs.imports import CODE, ROOT, imported_files, imported_names

FOLDERS = ("environments", "models", "reinforce", "pipeline", "benchmarks")
LAZY = ROOT / "pipeline" / "acting.py"  # imports one of our modules inside a function


def names_by_the_parser(tree):
    """Yield the names that a file imports anywhere, found by Python's own parser."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_import_and_no_code_is_missed():
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    for path in files:
        tree = ast.parse(path.read_text())
        ours = {name for name in names_by_the_parser(tree) if name.startswith(FOLDERS)}
        if path != LAZY:
            assert ours <= set(imported_names(path.read_text())), path
        assert (len(tree.body) > 1) == (CODE.search(path.read_text()) is not None), path


def test_imports_are_followed_and_packages_entered():
    files = {path.as_posix() for path in imported_files("models.policy")}
    assert {"models/policy.py", "models/heads/__init__.py", "models/heads/squashing.py"} <= files
    assert not {file for file in files if not file.startswith("models/")}
    assert "models/__init__.py" not in files  # it has a docstring and no code
