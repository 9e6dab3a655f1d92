"""Render the page from the templates in this folder."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from pipeline.formatting import number
from pipeline.page.commands import Stage
from pipeline.page.inputs import TaskPictures, TaskResult
from pipeline.page.parameters import parameter_listings


def render_page(
    seed: int,
    results: Sequence[TaskResult],
    pictures: Mapping[str, TaskPictures],
    stages: Sequence[Stage],
) -> str:
    """Render the page.

    Args:
        seed: The root of all random streams.
        results: The results of all tasks.
        pictures: Each task's pictures, by its name.
        stages: The stages of dvc.yaml.

    Returns:
        An HTML document. Equal arguments give equal documents.
    """
    templates = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {
        "number": number,
        "grouped": "{:,}".format,
        "counted": lambda count, noun: f"{count:,} {noun}{'' if count == 1 else 's'}",
        "base64": lambda content: base64.b64encode(content).decode(),
        "listings": parameter_listings,
    }
    page = templates.get_template("report.html.j2")
    return page.render(seed=seed, results=results, pictures=pictures, stages=stages)
