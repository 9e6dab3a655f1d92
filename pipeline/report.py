"""Stage `report`: write a self-contained HTML page with the results of all tasks."""

import argparse
from pathlib import Path

from pipeline.page.commands import read_stages
from pipeline.page.document import render_page
from pipeline.page.inputs import read_pictures, read_results
from pipeline.page.results import markdown_table
from pipeline.process.arguments import add_params
from pipeline.process.messages import exit_with_message
from pipeline.task.artifacts import atomic_write
from pipeline.task.check import check_params
from pipeline.task.errors import UserError
from pipeline.task.files import TaskFiles
from pipeline.task.task import DATA

REPORT = Path("report/index.html")
STAGES = Path("dvc.yaml")
README = Path("README.md")
# README.md has the table of results between these lines.
START, END = (
    "<!-- results, by `python -m pipeline report --readme` -->\n",
    "<!-- end of results -->\n",
)


def main(arguments: list[str] | None = None) -> None:
    """Write the page, or the table in README.md; exit as `exit_with_message` does."""
    parser = argparse.ArgumentParser(prog="python -m pipeline report", description=__doc__)
    add_params(parser)
    parser.add_argument(
        "--readme", action="store_true", help=f"update the table of results in {README} instead"
    )
    options = parser.parse_args(arguments)
    with exit_with_message(parser.prog):
        if options.readme:
            write_table_in(README, markdown_table(read_results(check_params(options.params), DATA)))
        else:
            report(options.params)


def report(params_path: Path) -> None:
    """Write the page of all tasks in params.yaml.

    Raises:
        UserError: If params.yaml has mistakes, or a file is missing or damaged. Then the previous
            page is kept.
    """
    params = check_params(params_path)
    results = read_results(params, DATA)
    pictures = {
        name: read_pictures(TaskFiles(DATA / name), measured=name in params.variance)
        for name in params.tasks
    }
    text = render_page(params.seed, results, pictures, read_stages(STAGES))
    with atomic_write(REPORT) as written:
        written.write_text(text, encoding="utf-8", newline="\n")
    print(f"{REPORT}: {', '.join(params.tasks)}; {len(text.encode()) / 1e6:.1f} MB")


def write_table_in(path: Path, table: str) -> None:
    """Replace the table of results in a Markdown file.

    Raises:
        UserError: If the file lacks the lines that mark the table.
    """
    text = path.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise UserError(
            f"{path}: expected the lines {START.strip()} and {END.strip()} around the table of "
            "results, received a file without them"
        )
    with atomic_write(path) as written:
        written.write_text(f"{before}{start}{table}{end}{after}", encoding="utf-8", newline="\n")
    print(f"{path}: updated the table of results")
