"""The table of results, on the page and in Markdown."""

import re

import pytest
from gymnasium import spaces

from environments.specification import EnvironmentSpecification
from pipeline.page.document import render_page
from pipeline.page.inputs import (
    DrawnPart,
    DrawnParts,
    Metrics,
    TaskPictures,
    TaskResult,
    Variance,
)
from pipeline.page.results import markdown_table
from pipeline.task.schema import TaskParams
from tests.pipeline.project import METRICS
from tests.pipeline.small_task import BANDIT


def result(name="the_task", space=None, metrics=(), **env):
    task = BANDIT | {"env": BANDIT["env"] | env}
    specification = EnvironmentSpecification(
        "Bandit-v0", {}, spaces.Discrete(2), space or spaces.Discrete(2), 1, False
    )
    measured = Metrics.model_validate(METRICS | dict(metrics))
    return TaskResult(name, TaskParams.model_validate(task), specification, measured)


def page(shown):
    """Return the page of one task without pictures."""
    part = DrawnPart(title="", note="", panels=[])
    parts = DrawnParts(**dict.fromkeys(DrawnParts.model_fields, part))
    pictures = {shown.name: TaskPictures(parts, "none", Variance([], b""), None)}
    return render_page(0, [shown], pictures, [])


def html_table(shown):
    """Return the first table of the page."""
    return page(shown).partition("</table>")[0]


def cells(table):
    return [
        [" ".join(re.sub("<[^>]*>", "", cell).split()) for cell in row]
        for row in (
            re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
            for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        )
    ]


def test_a_row_in_html():
    header, row = cells(html_table(result(kwargs={"probabilities": [0.3, 0.7]})))
    assert row == [
        "the_task",
        "Bandit-v0, probabilities [0.3, 0.7]",
        "Categorical, no hidden layer",
        "leave_one_out",
        "2 × 40",
        "−146 [−153, −140] worst run −157",
        "0.664 [0.654, 0.674] worst run 0.632",
    ]
    assert len(header) == len(row)


def test_a_row_in_markdown():
    header, rule, row = markdown_table([result()]).splitlines()
    assert row.replace("\u00a0", " ") == (
        "| `the_task` | `Bandit-v0` | 2 × 40 | −146 [−153, −140] | 0.664 [0.654, 0.674] |"
    )
    assert header.count("|") == rule.count("|") == row.count("|")


def test_a_budget_of_env_steps_is_shown_with_its_unit():
    task = result()
    train = task.params.train.model_copy(update={"num_episodes": None, "num_env_steps": 5000})
    task = task._replace(params=task.params.model_copy(update={"train": train}))
    assert "2 × 5,000 env steps" in cells(html_table(task))[1]
    assert "| 2 × 5,000 env steps |" in markdown_table([task]).replace("\u00a0", " ")
    assert "2 runs of 5,000 env steps," in " ".join(page(task).split())


def test_text_that_would_end_a_cell_is_escaped():
    (row,) = markdown_table([result(kwargs={"name": "a|b"})]).splitlines()[2:]
    assert r"`Bandit-v0, name a\|b`" in row
    table = html_table(result(kwargs={"name": "</td><script>"}))
    assert "&lt;/td&gt;&lt;script&gt;" in table
    assert "<script" not in table


def test_a_single_run_has_no_interval():
    ends = {f"{mode}_{end}": None for mode in ("greedy", "sampled") for end in ("low", "high")}
    only = result(metrics=ends)
    assert "| −146 | 0.664 |\n" in markdown_table([only])
    assert "[" not in "".join(cells(html_table(only))[1])


@pytest.mark.parametrize(
    ("space", "name"),
    [
        (spaces.Discrete(2), "Categorical"),
        (spaces.MultiDiscrete([2, 3]), "Categoricals"),
        (spaces.MultiBinary(3), "Bernoullis"),
        (spaces.Box(-1, 1), "Normal"),
    ],
)
def test_the_policy_is_named_by_its_distribution(space, name):
    assert result(space=space).policy == f"{name}, no hidden layer"


def test_rows_link_to_the_tasks_sections():
    table = html_table(result("a_b"))
    assert '<th scope="row"><a href="#task-a_b">a_<wbr>b</a></th>' in table
