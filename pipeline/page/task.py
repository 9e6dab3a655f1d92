"""A task's section of the page."""

import math
from collections.abc import Sequence

from pipeline.page.commands import Stage
from pipeline.page.elements import Html, data_uri, element, joined
from pipeline.page.inputs import DrawnPanel, DrawnPart, Film, TaskPictures, TaskResult, Variance
from pipeline.page.parameters import parameters
from pipeline.page.results import MODES, breakable, environment_of, estimate, policy_of, table
from pipeline.wording import number


def task_section(result: TaskResult, pictures: TaskPictures, stages: Sequence[Stage]) -> Html:
    """All of one task: numbers, pictures, parameters, commands."""
    parts = pictures.parts
    policy = [_panels(parts.policy), _panels(parts.observations, "panels half")]
    if pictures.plane is not None:
        policy.append(_plane(result, pictures.plane))
    return element(
        "section",
        element("h2", breakable(result.name), id=f"task-{result.name}"),
        element("p", _description(result), class_="lead"),
        _overview(result, pictures.film),
        _subsection("Learning curve", _panels(parts.returns)),
        _subsection("Evaluation", _panels(parts.evaluation)),
        _subsection("Entropy and gradient norm", _panels(parts.progress)),
        _variance(pictures.variance),
        _subsection("What the policy does", joined(policy)),
        element(
            "div",
            _subsection("Parameters", parameters(result.params)),
            _subsection("Commands", _commands(result.name, stages, pictures.film)),
            class_="columns",
        ),
        aria_labelledby=f"task-{result.name}",
    )


def _subsection(title: str, content: Html) -> Html:
    return element("div", element("h3", title), content, class_="part")


def _description(result: TaskResult) -> str:
    params, train = result.params, result.params.train
    runs = "1 run" if params.num_runs == 1 else f"{params.num_runs} runs"
    baseline = "no baseline" if train.baseline == "none" else f"baseline {train.baseline}"
    return (
        f"{environment_of(result)}. {policy_of(result)}; {baseline}; {runs} of "
        f"{train.num_episodes:,} episodes, {train.episodes_per_update:,} for each update."
    )


def _overview(result: TaskResult, film: Film | str) -> Html:
    metrics, num_episodes = result.metrics, result.params.evaluate.num_episodes
    objective = (
        f"The objective, the mean discounted return of the sampling policy, was "
        f"{number(metrics.objective_before)} before training and is {number(metrics.objective)} "
        f"after it."
    )
    caption = f"Mean return over {num_episodes:,} evaluation episodes of each run's final policy"
    header = ["Actions", "Inter\u00adquartile mean", "95 % interval", "Worst run"]
    columns = [element("th", text, scope="col") for text in header]
    shown = table(caption, columns, [_overview_row(result, mode) for mode in MODES])
    numbers = element("div", shown, element("p", objective))
    return element("div", numbers, _film(result, film), class_="overview")


def _overview_row(result: TaskResult, mode: str) -> Html:
    shown = estimate(result, mode)
    interval = "none of one run"
    if shown.low is not None and shown.high is not None:
        interval = f"{number(shown.low)} to {number(shown.high)}"
    cells = (number(shown.mean), interval, number(shown.worst_run))
    name = mode.capitalize()
    return element("tr", element("th", name, scope="row"), *(element("td", c) for c in cells))


def _film(result: TaskResult, film: Film | str) -> Html:
    if isinstance(film, str):
        return element("p", element("strong", "No film: "), film, class_="note film")
    episode, (width, height) = film.episode, film.size
    shown = f"its first {episode.seconds:.3g} seconds" if episode.is_cut else "all of it"
    caption = (
        f"The exported policy, greedy: an episode of {episode.num_steps:,} steps and return "
        f"{number(episode.episode_return)}, {shown}."
    )
    still = element(
        "source",
        media="print, (prefers-reduced-motion: reduce)",
        srcset=data_uri("image/png", film.first_frame),
    )
    image = element(
        "img",
        src=data_uri("image/gif", film.gif),
        width=width,
        height=height,
        alt=f"{environment_of(result)}, played by the policy of {result.name}. {caption}",
    )
    return element(
        "figure",
        element(
            "details",
            element("summary", "The policy playing"),
            element("picture", still, image),
            open="",
        ),
        element("figcaption", caption),
        class_="film",
    )


def _panels(part: DrawnPart, class_: str = "panels") -> Html:
    if not part.panels:
        return Html("")
    title = [element("p", part.title, class_="title")] if part.title else []
    panels = [_panel(panel, is_titled=not part.title) for panel in part.panels]
    note = element("p", part.note, class_="note")
    return element("div", *title, *panels, note, class_=class_)


def _panel(panel: DrawnPanel, is_titled: bool) -> Html:
    label = element("svg", role="img", aria_label=f"{panel.title}. {panel.summary}")
    picture = Html(label.removesuffix("></svg>") + panel.svg.removeprefix("<svg"))
    title = [element("figcaption", panel.title)] if is_titled else []
    return element("figure", *title, picture)


def _variance(variance: Variance) -> Html:
    columns = ("policy", "baseline", "signal_to_noise")
    rows = zip(*(variance.table[column] for column in columns), strict=True)
    ratios = "; ".join(f"{policy} policy, {base}: {_ratio(value)}" for policy, base, value in rows)
    alt = f"The noise of the gradient by baseline. Signal-to-noise ratio: {ratios}."
    return _subsection("Variance by baseline", _card("Variance by baseline", variance.picture, alt))


def _plane(result: TaskResult, picture: bytes) -> Html:
    alt = f"Mean and spread of the actions of {result.name}'s policy over a plane of states, a map."
    return _card("Actions over a plane of states", picture, alt)


def _card(name: str, picture: bytes, alt: str) -> Html:
    """A PNG, which is on white, and scrolls where it is wider than the page."""
    image = element("img", src=data_uri("image/png", picture), alt=alt)
    return element("div", image, class_="card", tabindex=0, role="region", aria_label=name)


def _ratio(value: float) -> str:
    return "not defined" if math.isnan(value) else number(value)


def _commands(task: str, stages: Sequence[Stage], film: Film | str) -> Html:
    items = [
        element("li", element("code", stage.command_for(task)), " ", stage.description)
        for stage in stages
        if stage.is_for_each_task
    ]
    shown = [
        element("p", element("code", "dvc repro"), " runs those whose inputs have changed:"),
        element("ol", *items, class_="commands"),
    ]
    if isinstance(film, Film):
        play = element("code", f"python -m pipeline.play {task} --human")
        shown.append(element("p", "To see the policy play: ", play))
    return joined(shown)
