"""The files of this project that a module imports: the code that its results depend on."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENTRY_POINT = re.compile(r'"([a-z_]+(?:\.[a-z_]+)+):\w+"')  # `module:name` in a string


def imported_files(*modules: str) -> list[Path]:
    """Find the files of modules and of all that they import, directly or not.

    Imports stand at the top of a file (ruff sees to it). An entry point in a string, which is
    imported later, counts too. Files with nothing but a docstring are left out.

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
            statements = ast.parse(text).body
            found[file] = len(statements) > 1
            names = ENTRY_POINT.findall(text)
            for statement in statements:
                if isinstance(statement, ast.ImportFrom) and statement.module:
                    names.append(statement.module)
                    names += [f"{statement.module}.{alias.name}" for alias in statement.names]
                elif isinstance(statement, ast.Import):
                    names += [alias.name for alias in statement.names]
            waiting += [path for name in names for path in _files(name)]
    return sorted(file.relative_to(ROOT) for file, has_code in found.items() if has_code)


def _files(module: str) -> list[Path]:
    """Find the files of a module and of the packages around it, if it is this project's."""
    parts = module.split(".")
    places = [ROOT.joinpath(*parts[: n + 1]) for n in range(len(parts))]
    candidates = [places[-1].with_suffix(".py"), *(place / "__init__.py" for place in places)]
    return [file for file in candidates if file.is_file()]
