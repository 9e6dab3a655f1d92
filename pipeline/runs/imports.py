"""The project files that a module imports: the code that its results depend on."""

import re
from functools import cache
from pathlib import Path

from pipeline.digests import file_digest

ROOT = Path(__file__).parents[2]
# All imports are at the top level; ruff enforces it. A search with regular expressions saves the
# 0.1 s that parsing the files would add to each start of training.
IMPORT = re.compile(
    r"^(?:from ([\w.]+) import (?:\(\n((?s:.+?))^\)|(.+))|import ([\w.]+))", re.MULTILINE
)
CODE = re.compile(r"^(?:from|import|def|class|@|[\w.]+(?:: .+)? = |[\w.]+\()", re.MULTILINE)
ENTRY_POINT = re.compile(r'"([A-Za-z_]\w*(?:\.\w+)+):\w+"')  # `module:name` in a string
# An environment id, `module:Id`, names a module to import. Which one is known only at run time, so
# whatever imports IMPORTS_BY_ID depends on all of environments/ except NEVER_BY_ID.
IMPORTS_BY_ID = "environments/specification.py"
NEVER_BY_ID = "environments/checker"


def code_digests(stage: str) -> dict[str, str]:
    """Return the SHA-256 of each file that the command of a stage imports, by path."""
    files = imported_files("pipeline.__main__", f"pipeline.{stage}")
    return {path.as_posix(): file_digest(ROOT / path) for path in files}


def imported_files(*modules: str) -> list[Path]:
    """Find the files of modules and of everything they import, directly or indirectly.

    An entry point in a string counts as an import, since it is imported later. Code that can make
    environments depends on all files of environments/ but the checker. Files with only a docstring
    are left out.

    Args:
        modules: Names of modules of this project.

    Returns:
        Paths relative to the root of the project, sorted.
    """
    found: dict[Path, bool] = {}  # True if the file contains code
    pending = [file for module in modules for file in _files(module)]
    while pending:
        file = pending.pop()
        if file not in found:
            text = file.read_text(encoding="utf-8")
            found[file] = CODE.search(text) is not None
            pending += [path for name in imported_names(text) for path in _files(name)]
            if file == ROOT / IMPORTS_BY_ID:
                every = (ROOT / "environments").rglob("*.py")
                pending += [path for path in every if ROOT / NEVER_BY_ID not in path.parents]
    return sorted(file.relative_to(ROOT) for file, has_code in found.items() if has_code)


def imported_names(text: str) -> list[str]:
    """Find the dotted names that a file imports, some of which may not be modules."""
    names = ENTRY_POINT.findall(text)
    for package, several, one, module in IMPORT.findall(text):
        names.append(package or module)
        names += [f"{package}.{name}" for name in re.findall(r"\w+", several or one)]
    return names


@cache
def _files(module: str) -> list[Path]:
    """Find the files of a module and its parent packages; none if it is not in this project."""
    parts = module.split(".")
    paths = [ROOT.joinpath(*parts[: n + 1]) for n in range(len(parts))]
    candidates = [paths[-1].with_suffix(".py"), *(path / "__init__.py" for path in paths)]
    return [file for file in candidates if file.is_file()]
