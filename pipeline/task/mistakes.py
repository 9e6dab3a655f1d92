"""Messages about the mistakes in a file, for the person who wrote it."""

import datetime
import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

Location = tuple[int | str, ...]  # the keys and indices on the path to a value
MAX_SHOWN = 60  # characters of a received value


class Mistake(NamedTuple):
    """One mistake in a file."""

    location: Location
    text: str  # the expected and the received value

    def line(self, file: object) -> str:
        """Return `file: location: text`, or `file: text` for the whole file."""
        parts = (str(file), dotted(self.location), self.text)
        return ": ".join(part for part in parts if part)


@dataclass(frozen=True)
class Expected:
    """An annotation that turns any failure of the type before it into "expected <text>".

    Mistakes inside the value, such as an item of a list, keep their own message and location.
    """

    text: str
    choices: tuple[str, ...] = ()  # values to suggest from

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._validate, handler(source))

    def _validate(self, value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            if any(details["loc"] for details in error.errors()):
                raise
            raise PydanticCustomError(
                "expected", "expected", {"text": self.text, "choices": self.choices}
            ) from error


def one_of(choices: Sequence[str]) -> Expected:
    """Return the annotation of a value that must be one of `choices`."""
    return Expected(f"one of {', '.join(choices)}", tuple(choices))


def expected(text: str, received: Any, choices: Iterable[str] = ()) -> str:
    """Return "expected <text>, received <received>", and suggest the closest of `choices`."""
    closest = _closest(received, choices)
    suggestion = f"; did you mean {closest}?" if closest else ""
    return f"expected {text}, received {_format(received)}{suggestion}"


def dotted(location: Location) -> str:
    """Return `tasks.cartpole.policy.hidden_sizes[1]`; quote keys that are not plain words."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += "." + (part if re.fullmatch(r"[\w-]+", part) else repr(part))
    return path.removeprefix(".")


def mistakes_in(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Mistake]:
    """Convert the errors that pydantic found to mistakes.

    Args:
        error: The error raised by validating `data` as `model`.
        data: The data of the file.
        model: The model of the whole file.

    Returns:
        One mistake for each error. A misspelled key and the field that it leaves missing are
        counted as one.
    """
    errors = error.errors(include_url=False)
    suggestions = _suggestions(errors, data, model)
    suggested = set(suggestions.values())
    return [
        _mistake(details, model, suggestions)
        for details in errors
        if not (details["type"] == "missing" and details["loc"] in suggested)
    ]


def _mistake(
    details: ErrorDetails, model: type[BaseModel], suggestions: Mapping[Location, Location]
) -> Mistake:
    location, received = details["loc"], details["input"]
    match details["type"]:
        case "missing":
            field = _section_at(model, location[:-1]).model_fields[str(location[-1])]
            text = f"missing; expected {_expectation(field)} ({field.description})"
        case "extra_forbidden" if location in suggestions:
            text = f"unknown; did you mean {suggestions[location][-1]}?"
        case "extra_forbidden":
            fields = _section_at(model, location[:-1]).model_fields
            text = f"unknown; expected one of {', '.join(fields)}"
        case "model_type":
            text = expected(_section_text(_section_at(model, location)), received)
        case _:  # "expected", since every field has an `Expected`
            if location[-1:] == ("[key]",):
                location = location[:-2]
            text = expected(details["ctx"]["text"], received, details["ctx"]["choices"])
    return Mistake(location, text)


def _suggestions(
    errors: Iterable[ErrorDetails], data: Any, model: type[BaseModel]
) -> dict[Location, Location]:
    """Map unknown keys to the fields that they seem to be misspellings of.

    A key is never mapped to a field that the section has already, nor two keys to the same field.
    """
    suggestions: dict[Location, Location] = {}
    for location in (details["loc"] for details in errors if details["type"] == "extra_forbidden"):
        section = location[:-1]
        absent = [
            name
            for name in _section_at(model, section).model_fields
            if name not in value_at(data, section) and (*section, name) not in suggestions.values()
        ]
        if closest := _closest(location[-1], absent):
            suggestions[location] = (*section, closest)
    return suggestions


def value_at(data: Any, location: Location) -> Any:
    """Return the value of nested data at `location`; raise LookupError if there is none."""
    for part in location:
        data = data[part]
    return data


def _section_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    annotation: Any = model
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            annotation = get_args(annotation)[-1]  # the type of a mapping's values
    section: type[BaseModel] = annotation
    return section


def _expectation(field: FieldInfo) -> str:
    for annotation in field.metadata:
        if isinstance(annotation, Expected):
            return annotation.text
    section: Any = field.annotation  # only sections have no `Expected`
    return _section_text(section)


def _section_text(section: type[BaseModel]) -> str:
    return f"a section with {', '.join(section.model_fields)}"


def _closest(word: Any, candidates: Iterable[str]) -> str | None:
    if not isinstance(word, str):
        return None
    word = word.lower().replace("-", "_").replace(" ", "_")
    return next(iter(difflib.get_close_matches(word, list(candidates), n=1)), None)


def _format(value: Any) -> str:
    """Format `value` approximately as the user wrote it, shortened if long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, datetime.date):
        return f"the date {value}"
    text = repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f"{text}, which is not finite"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
