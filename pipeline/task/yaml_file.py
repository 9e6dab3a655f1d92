"""A YAML file read as plain data, with one clean message for whatever is wrong with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, Event
from ruamel.yaml.reader import ReaderError

from pipeline.task.errors import UserError
from pipeline.task.mistakes import Location, Mistake, expected


def read_yaml(path: Path) -> Any:
    """Reads one YAML 1.2 document.

    DVC writes 0.00001 as `1e-05`, which YAML 1.1 (PyYAML) takes for text and YAML 1.2 (ruamel.yaml,
    and DVC itself) for a number.

    Returns:
        Dictionaries with keys of text, lists, text, numbers, booleans, dates and None.

    Raises:
        UserError: If the file cannot be read, is empty, not UTF-8 or not YAML, repeats a key, or
            uses aliases, tags or keys that are not text. The message says which and where.
    """
    text = _read_text(path)
    try:
        refused = [f"{path}: line {line}: {what}" for line, what in _refused_syntax(text)]
        data = None if refused else _yaml().load(text)
        refused += [mistake.line(path) for mistake in _refused_keys(data, ())]
    except (MarkedYAMLError, ReaderError) as error:
        raise UserError(f"{path}: {_syntax_mistake(error, text)}") from error
    except ValueError as error:  # a date without such a day, an integer of thousands of digits
        reason = str(error).partition(":")[0]  # what follows would advise programmers
        raise UserError(f"{path}: expected YAML, received an impossible value: {reason}") from error
    except RecursionError as error:
        raise UserError(f"{path}: expected YAML, received lists nested too deeply") from error
    if refused:
        raise UserError("\n".join(refused))
    if data is None:
        raise UserError(f"{path}: expected YAML, received an empty file")
    return data


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected a YAML file, received a path with no file") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: expected a YAML file, received a directory") from error
    except OSError as error:
        raise UserError(f"{path}: expected a file to read, received: {error.strerror}") from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: line {line}: expected text in UTF-8, received the byte "
            f"0x{content[error.start]:02x}"
        ) from error


def _yaml() -> YAML:
    # A reader keeps the version that a %YAML directive set, hence a new one for each reading. The
    # pure one, so that messages do not depend on whether the C extension is installed.
    return YAML(typ="safe", pure=True)


def _refused_syntax(text: str) -> Iterator[tuple[int, str]]:
    """Yields the line and the mistake of every alias and tag."""
    for event in _yaml().parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            # An alias and its anchor are one object to DVC, which would set a field in both.
            yield (
                line,
                (
                    f"expected the values written out, received the alias *{event.anchor}, through "
                    "which `dvc exp run -S` would change the original too"
                ),
            )
        if tag := _tag(event):
            yield line, f"expected a value without a tag, received the tag {tag}"


def _tag(event: Event) -> str | None:
    tag = getattr(event, "tag", None)  # only scalars and the starts of collections have one
    return tag.replace("tag:yaml.org,2002:", "!!") if tag else None


def _refused_keys(data: Any, location: Location) -> Iterator[Mistake]:
    """Yields the keys that are not text, such as the task name 1, which reads as a number."""
    if isinstance(data, dict):
        for key, value in data.items():
            if isinstance(key, str):
                yield from _refused_keys(value, (*location, key))
            else:
                yield Mistake(location, expected("keys of text", key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _refused_keys(value, (*location, index))


def _syntax_mistake(error: MarkedYAMLError | ReaderError, text: str) -> str:
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line}: expected text, received the character {text[error.position]!r}"
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1
    if isinstance(error, DuplicateKeyError):
        key = str(error.problem).removeprefix("found duplicate ").partition(" with value ")[0]
        return f"line {line}: expected each key once in a section, received {key} again"
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    advice = "; indent with spaces" if "'\\t'" in problem else ""
    return f"line {line}: expected YAML: {problem}{advice}"
