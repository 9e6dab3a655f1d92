"""The table of all tasks' results: on the page, and in Markdown for the README."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gymnasium import spaces

from pipeline.page.elements import Html, element, joined
from pipeline.page.inputs import TaskResult
from pipeline.wording import number, with_interval

# What the policy's distribution is called, by the space of the actions.
_DISTRIBUTIONS = {
    spaces.Discrete: "Categorical",
    spaces.MultiDiscrete: "Categoricals",
    spaces.MultiBinary: "Bernoullis",
    spaces.Box: "Normal",
}
MODES = ("greedy", "sampled")


class ReturnEstimate(NamedTuple):
    """Mean episode return of a task's final policies in one way to act."""

    mean: float  # interquartile mean over runs of a run's mean
    low: float | None  # ends of its interval, None for a single run
    high: float | None
    worst_run: float


def estimate(result: TaskResult, mode: str) -> ReturnEstimate:
    """What the metrics say of one way to act."""
    ends = ("", "_low", "_high", "_worst_run")
    return ReturnEstimate(*(getattr(result.metrics, f"{mode}{end}") for end in ends))


def environment_of(result: TaskResult) -> str:
    """`Bandit-v0, probabilities [0.3, 0.7]`."""
    env = result.params.env
    return ", ".join([env.id, *(f"{name} {value}" for name, value in env.kwargs.items())])


def policy_of(result: TaskResult) -> str:
    """`Normal, 64-64`."""
    space = result.specification.action_space
    distribution = next(name for kind, name in _DISTRIBUTIONS.items() if isinstance(space, kind))
    sizes = result.params.policy.hidden_sizes
    return f"{distribution}, {'-'.join(map(str, sizes)) or 'no hidden layer'}"


def markdown_table(results: Sequence[TaskResult]) -> str:
    """The table in Markdown, with a line feed at its end."""
    header = (
        *("task", "environment", "policy", "baseline", "runs", "episodes each"),
        *("mean return, greedy", "sampled", "worst run, greedy / sampled"),
    )
    rows = [header, ["---"] * len(header), *map(_markdown_cells, results)]
    escaped = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in escaped)


def _markdown_cells(result: TaskResult) -> list[str]:
    greedy, sampled = (estimate(result, mode) for mode in MODES)
    train = result.params.train
    return [
        f"`{result.name}`",
        f"`{environment_of(result)}`",
        policy_of(result),
        f"`{train.baseline}`",
        f"{result.params.num_runs}",
        f"{train.num_episodes:,}",
        with_interval(*greedy[:3]),
        with_interval(*sampled[:3]),
        f"{number(greedy.worst_run)} / {number(sampled.worst_run)}",
    ]


def html_table(results: Sequence[TaskResult]) -> Html:
    """The table on the page; columns of class `more` may be hidden where there is no room."""
    headers = ["Task", "Environment", "Policy", "Baseline", "Runs × episodes", "Greedy", "Sampled"]
    hidden = headers[1:5]
    head = [
        element("th", text, scope="col", class_="more" if text in hidden else "")
        for text in headers
    ]
    caption = (
        "Mean episode return of the final policies: interquartile mean over independent runs, its "
        "95 % bootstrap interval, and the worst run"
    )
    return table(caption, head, map(_row, results), class_="results")


def table(caption: str, header: Iterable[Html], rows: Iterable[Html], **attributes: str) -> Html:
    """A table that scrolls by itself where it is wider than the page."""
    parts = (
        element("caption", caption),
        element("thead", element("tr", *header)),
        element("tbody", *rows),
    )
    return element("div", element("table", *parts, **attributes), class_="scrolled")


def _row(result: TaskResult) -> Html:
    train = result.params.train
    more = [
        environment_of(result),
        policy_of(result),
        train.baseline,
        f"{result.params.num_runs} × {train.num_episodes:,}",
    ]
    link = element("a", breakable(result.name), href=f"#task-{result.name}")
    return element(
        "tr",
        element("th", link, scope="row"),
        *(element("td", text, class_="more") for text in more),
        *(element("td", *_estimate_cell(estimate(result, mode))) for mode in MODES),
    )


def _estimate_cell(shown: ReturnEstimate) -> list[Html]:
    parts = [element("strong", number(shown.mean))]
    if shown.low is not None and shown.high is not None:
        interval = f"[{number(shown.low)}, {number(shown.high)}]"
        parts.append(element("span", interval, class_="interval"))
    parts.append(element("span", f"worst run {number(shown.worst_run)}", class_="worst"))
    return [joined([" ", part]) for part in parts]


def breakable(name: str) -> Html:
    """A name that may be broken behind its underscores."""
    return Html(joined([name]).replace("_", "_<wbr>"))
