"""The folder of an exported policy: read its spec.json and check the other files."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from pipeline.digests import folder_digests
from pipeline.task.artifacts import read_json, stale_file
from pipeline.task.errors import UserError
from pipeline.task.mistakes import Expected, mistakes_in
from pipeline.task.schema import EnvParams, Section

Digest = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}\z"), Expected("64 hexadecimal digits, a SHA-256 digest")
]


class ExportedEnvironment(EnvParams, extra="ignore"):
    """The environment that a policy was trained in."""


class PolicySpec(Section, extra="ignore"):
    """The part of spec.json that is needed to play episodes."""

    environment: ExportedEnvironment = Field(description="the environment that the policy acts in")
    sha256: Annotated[
        dict[str, Digest],
        Field(min_length=1),
        Expected("an object that maps file paths to digests"),
    ] = Field(description="digests of the other files in the folder")


def read_policy_spec(folder: Path) -> PolicySpec:
    """Read a folder's spec.json and check the other files against the digests in it.

    Raises:
        UserError: If spec.json is missing or damaged, or a file is missing or differs.
    """
    path = folder / "spec.json"
    received = read_json(path, [])
    try:
        spec = PolicySpec.model_validate(received)
    except ValidationError as error:
        mistakes = mistakes_in(error, received, PolicySpec)
        raise UserError("\n".join(mistake.line(path) for mistake in mistakes)) from error
    found = folder_digests(folder)
    if differing := [name for name, digest in spec.sha256.items() if found.get(name) != digest]:
        text = f"a missing or different {differing[0]}"
        raise stale_file(folder, "the files whose digests are in spec.json", text)
    return spec
