"""The page as a whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.page.commands import Stage
from pipeline.page.elements import Html, element, joined
from pipeline.page.inputs import TaskPictures, TaskResult
from pipeline.page.results import html_table
from pipeline.page.task import task_section

TITLE = "Policies learnt with REINFORCE"
STYLE = Path(__file__).with_name("page.css")
# No script, no network: what the page needs is in it.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(
    seed: int,
    results: Sequence[TaskResult],
    pictures: Mapping[str, TaskPictures],
    stages: Sequence[Stage],
) -> str:
    """The page.

    Args:
        seed: The root of all random streams.
        results: Of all tasks.
        pictures: Of each task, by its name.
        stages: What dvc.yaml runs.

    Returns:
        An HTML document. Equal arguments give an equal one.
    """
    sections = [task_section(result, pictures[result.name], stages) for result in results]
    body = element(
        "body",
        element("header", element("h1", TITLE), _introduction(seed, results)),
        element("main", _results(results), *sections),
        element("footer", _origin(stages)),
    )
    return f"<!DOCTYPE html>\n{element('html', _head(), body, lang='en')}\n"


def _head() -> Html:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="color-scheme", content="light dark"),
        element("title", TITLE),
        element("style", Html(STYLE.read_text(encoding="utf-8"))),
    )


def _introduction(seed: int, results: Sequence[TaskResult]) -> Html:
    num_policies = sum(result.params.num_runs for result in results)
    return element(
        "p",
        f"{_counted(len(results), 'task')}, {_counted(num_policies, 'independent run')}, seed "
        f"{seed}. Every number and picture is made from the files in ",
        element("code", "data/"),
        " by the commands at the end of each task.",
        class_="lead",
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _results(results: Sequence[TaskResult]) -> Html:
    return element(
        "section",
        element("h2", "Results", id="results"),
        html_table(results),
        element("h3", "How to read it"),
        element("ul", *(element("li", *item) for item in _EXPLANATIONS), class_="explanations"),
        aria_labelledby="results",
    )


_EXPLANATIONS: tuple[tuple[str, ...], ...] = (
    (
        element("strong", "Return"),
        " is the undiscounted sum of an episode’s rewards. Judged are final policies, as they were "
        "exported, on episodes that nothing else has used.",
    ),
    (
        element("strong", "Greedy"),
        " takes the most probable action at each step; ",
        element("strong", "sampled"),
        " draws actions from the policy, as training does.",
    ),
    (
        element("strong", "Interquartile mean: "),
        "the mean over runs without the lowest and the highest quarter of them. Runs have initial "
        "weights and random streams of their own.",
    ),
    (
        element("strong", "[Interval]: "),
        "95 % percentile bootstrap of that mean, resampling runs (Agarwal et al., 2021). Of few "
        "runs it is too narrow: of five it holds the truth in some 89 % of cases, of three in "
        "75 %.",
    ),
    (
        element("strong", "Worst run: "),
        "the mean return of the run with the lowest one.",
    ),
)


def _origin(stages: Sequence[Stage]) -> Html:
    commands = [stage.command for stage in stages if not stage.is_for_each_task]
    return joined(
        [
            element(
                "p",
                "Made by ",
                element("code", "dvc repro"),
                *(part for command in commands for part in (", last ", element("code", command))),
                ".",
            )
        ]
    )
