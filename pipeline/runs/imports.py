"""The files of this project that a module imports: the code that its results depend on."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Imports stand at the top level, which ruff checks. Parsing the files would take 0.1 s of each
# training's start.
IMPORT = re.compile(
    r"^(?:from ([\w.]+) import (?:\(\n((?s:.+?))^\)|(.+))|import ([\w.]+))", re.MULTILINE
)
CODE = re.compile(r"^(?:from|import|def|class|@|[\w.]+(?:: .+)? = |[\w.]+\()", re.MULTILINE)
ENTRY_POINT = re.compile(r'"([A-Za-z_]\w*(?:\.\w+)+):\w+"')  # `module:name` in a string
# Which files of environments/ an id, `module:Id`, imports, is known at run time only: any of them.
BY_ID = "environments/specification.py"
NOT_BY_ID = "environments/checker"


def imported_files(*modules: str) -> list[Path]:
    """Find the files of modules and of all that they import, directly or not.

    An entry point in a string, which is imported later, counts as an import. Where an environment
    can be made, all files of environments/ count. Files with nothing but a docstring are left out.

    Args:
        modules: Names of modules of this project.

    Returns:
        Paths relative to the root of the project, sorted.
    """
    found: dict[Path, bool] = {}  # whether it holds any code
    waiting = [file for module in modules for file in _files(module)]
    while waiting:
        file = waiting.pop()
        if file not in found:
            text = file.read_text(encoding="utf-8")
            found[file] = CODE.search(text) is not None
            waiting += [path for name in imported_names(text) for path in _files(name)]
            if file == ROOT / BY_ID:
                every = (ROOT / "environments").rglob("*.py")
                waiting += [path for path in every if ROOT / NOT_BY_ID not in path.parents]
    return sorted(file.relative_to(ROOT) for file, has_code in found.items() if has_code)


def imported_names(text: str) -> list[str]:
    """Find the dotted names that a file imports, those that may be no modules included."""
    names = ENTRY_POINT.findall(text)
    for package, several, one, module in IMPORT.findall(text):
        names.append(package or module)
        names += [f"{package}.{name}" for name in re.findall(r"\w+", several or one)]
    return names


@cache
def _files(module: str) -> list[Path]:
    """Find the files of a module and of the packages around it, if it is this project's."""
    parts = module.split(".")
    places = [ROOT.joinpath(*parts[: n + 1]) for n in range(len(parts))]
    candidates = [places[-1].with_suffix(".py"), *(place / "__init__.py" for place in places)]
    return [file for file in candidates if file.is_file()]
