"""Mistakes of a file, in words for the person who wrote it."""

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

Location = tuple[int | str, ...]  # the keys and indices that lead to a value
MAX_SHOWN = 60  # characters of a received value


class Mistake(NamedTuple):
    """One mistake of a file."""

    location: Location
    text: str  # what was expected and what was received

    def line(self, file: object) -> str:
        """Returns `file: location: text`, or `file: text` for the whole file."""
        places = (str(file), dotted(self.location), self.text)
        return ": ".join(place for place in places if place)


@dataclass(frozen=True)
class Expected:
    """Annotation of a type, after its constraints: any failure becomes "expected <text>".

    Mistakes inside the value, such as an item of a list, keep their own message and place.
    """

    text: str
    choices: tuple[str, ...] = ()  # to suggest one from

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
    """Returns the annotation of a value that is one of `choices`."""
    return Expected(f"one of {', '.join(choices)}", tuple(choices))


def expected(text: str, received: Any, choices: Iterable[str] = ()) -> str:
    """Returns "expected <text>, received <received>", suggesting the closest of `choices`."""
    closest = _closest(received, choices)
    suggestion = f"; did you mean {closest}?" if closest else ""
    return f"expected {text}, received {_shown(received)}{suggestion}"


def dotted(location: Location) -> str:
    """Returns `tasks.cartpole.policy.hidden_sizes[1]`; a key that is no plain word is quoted."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += "." + (part if re.fullmatch(r"[\w-]+", part) else repr(part))
    return path.removeprefix(".")


def mistakes_in(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Mistake]:
    """Puts all that pydantic found into words.

    Args:
        error: What validating `data` as `model` raised.
        data: The data of the file.
        model: The section that the file as a whole is.

    Returns:
        One mistake for each error, but one for a misspelt key and the field that it leaves missing.
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
        case _:  # "expected", since every field carries an `Expected`
            if location[-1:] == ("[key]",):
                location = location[:-2]
            text = expected(details["ctx"]["text"], received, details["ctx"]["choices"])
    return Mistake(location, text)


def _suggestions(
    errors: Iterable[ErrorDetails], data: Any, model: type[BaseModel]
) -> dict[Location, Location]:
    """Returns for unknown keys the field of the same section that each seems to mean.

    A field that the section has already is not meant, nor is one meant twice.
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
    """Returns the value of nested data at `location`. Raises LookupError if there is none."""
    for part in location:
        data = data[part]
    return data


def _section_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    annotation: Any = model
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            annotation = get_args(annotation)[-1]  # the value of a mapping
    section: type[BaseModel] = annotation
    return section


def _expectation(field: FieldInfo) -> str:
    for annotation in field.metadata:
        if isinstance(annotation, Expected):
            return annotation.text
    section: Any = field.annotation  # only sections go without an `Expected`
    return _section_text(section)


def _section_text(section: type[BaseModel]) -> str:
    return f"a section with {', '.join(section.model_fields)}"


def _closest(word: Any, candidates: Iterable[str]) -> str | None:
    if not isinstance(word, str):
        return None
    word = word.lower().replace("-", "_").replace(" ", "_")
    return next(iter(difflib.get_close_matches(word, list(candidates), n=1)), None)


def _shown(value: Any) -> str:
    """Returns `value` as the user wrote it, or nearly, shortened if long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, datetime.date):
        return f"the date {value}"
    text = repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f"{text}, which is no finite number"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
