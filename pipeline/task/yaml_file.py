"""Reading YAML files as plain data, with a clear message for every mistake."""

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
    """Read a file with one YAML 1.2 document; see `parse_yaml`.

    Raises:
        UserError: Also if the file cannot be read or is not UTF-8.
    """
    return parse_yaml(_read_text(path), path)


def parse_yaml(text: str, source: object) -> Any:
    """Parse one YAML 1.2 document.

    DVC writes 0.00001 as `1e-05`. YAML 1.1 (PyYAML) reads this as text; YAML 1.2 (ruamel.yaml and
    DVC itself) reads it as a number.

    Args:
        text: The document.
        source: Its file or argument, for messages.

    Returns:
        Dictionaries with text keys, lists, text, numbers, booleans, dates and None.

    Raises:
        UserError: If the text is empty or not YAML, repeats a key, or uses aliases, tags or keys
            that are not text. The message names the mistake and its location.
    """
    try:
        refused = [f"{source}: line {line}: {what}" for line, what in _refused_syntax(text)]
        data = None if refused else _yaml().load(text)
        refused += [mistake.line(source) for mistake in _refused_keys(data, ())]
    except (MarkedYAMLError, ReaderError) as error:
        raise UserError(f"{source}: {_syntax_mistake(error, text)}") from error
    except ValueError as error:  # an impossible date, or an integer of thousands of digits
        reason = str(error).partition(":")[0]  # the rest is advice for programmers
        raise UserError(f"{source}: expected YAML, received an invalid value: {reason}") from error
    except RecursionError as error:
        raise UserError(f"{source}: expected YAML, received lists nested too deeply") from error
    if refused:
        raise UserError("\n".join(refused))
    if data is None:
        raise UserError(f"{source}: expected YAML, received an empty file")
    return data


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: expected a YAML file, received a directory") from error
    except OSError as error:
        raise UserError(f"{path}: expected a readable file, received: {error.strerror}") from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: line {line}: expected UTF-8 text, received the byte "
            f"0x{content[error.start]:02x}"
        ) from error


def _yaml() -> YAML:
    # Each document needs a new reader, since a reader keeps the version that a %YAML directive set.
    # The pure Python reader gives the same messages with and without the C extension.
    return YAML(typ="safe", pure=True)


def _refused_syntax(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the message for every alias and tag."""
    for event in _yaml().parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            # To DVC, an alias and its anchor are one object, so it would set a field in both.
            yield (
                line,
                (
                    f"expected the values written out, received the alias *{event.anchor}; "
                    "`dvc exp run -S` would change both the alias and the original"
                ),
            )
        if tag := _tag(event):
            yield line, f"expected a value without a tag, received the tag {tag}"


def _tag(event: Event) -> str | None:
    tag = getattr(event, "tag", None)  # only scalars and starts of collections have a tag
    return tag.replace("tag:yaml.org,2002:", "!!") if tag else None


def _refused_keys(data: Any, location: Location) -> Iterator[Mistake]:
    """Yield the keys that are not text, such as the task name 1, which is a number."""
    if isinstance(data, dict):
        for key, value in data.items():
            if isinstance(key, str):
                yield from _refused_keys(value, (*location, key))
            else:
                yield Mistake(location, expected("a text key", key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _refused_keys(value, (*location, index))


def _syntax_mistake(error: MarkedYAMLError | ReaderError, text: str) -> str:
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        character = repr(text[error.position])
        return f"line {line}: expected text, received {character}, which YAML does not allow"
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1
    if isinstance(error, DuplicateKeyError):
        key = str(error.problem).removeprefix("found duplicate ").partition(" with value ")[0]
        return f"line {line}: expected each key once per section, received {key} again"
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    advice = "; indent with spaces" if "'\\t'" in problem else ""
    return f"line {line}: not valid YAML: {problem}{advice}"
