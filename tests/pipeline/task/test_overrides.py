"""Values that replace those of params.yaml for one command."""

import pytest

from pipeline.task.errors import UserError
from pipeline.task.mistakes import Location
from pipeline.task.overrides import locate_parameter
from pipeline.task.task import load_task
from tests.pipeline.small_task import BANDIT, write_params


@pytest.mark.parametrize(
    ("name", "location"),
    [
        ("learning_rate", ("train", "learning_rate")),
        ("value.learning_rate", ("train", "value", "learning_rate")),
        ("train.gamma", ("train", "gamma")),
        ("tasks.maze.train.gamma", ("train", "gamma")),
        ("policy.hidden_sizes", ("policy", "hidden_sizes")),
        ("env.kwargs.gravity", ("env", "kwargs", "gravity")),
        ("env.kwargs", ("env", "kwargs")),
    ],
)
def test_a_name_starts_at_the_training_the_task_or_the_root(name, location):
    assert locate_parameter("maze", name) == ("tasks", "maze", *location)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("learning_rat", "received 'learning_rat'; did you mean learning_rate?"),
        ("policy.hiden_sizes", "received 'hiden_sizes'; did you mean hidden_sizes?"),
        ("evaluate.num_episodes", "expected one of env, policy, rollout, train, num_episodes,"),
        ("value", "expected a parameter of the section, such as value.hidden_sizes, received"),
    ],
)
def test_an_unknown_name_is_a_mistake(name, message):
    with pytest.raises(UserError) as error:
        locate_parameter("maze", name)
    assert str(error.value).startswith(f"{name}: ")
    assert message in str(error.value)


def test_overrides_replace_values_and_add_sections(tmp_path):
    path = write_params(tmp_path, bandit=BANDIT)
    at: Location = ("tasks", "bandit")
    overrides = {
        (*at, "train", "learning_rate"): 0.5,
        (*at, "env", "kwargs", "probabilities"): [0.1, 0.2],
    }
    task = load_task(path, "bandit", overrides)
    assert task.params.train.learning_rate == 0.5
    assert task.params.env.kwargs == {"probabilities": [0.1, 0.2]}
    assert load_task(path, "bandit").params.train.learning_rate == 0.05


def test_overrides_are_checked_as_if_they_were_in_the_file(tmp_path):
    path = write_params(tmp_path, bandit=BANDIT)
    train: Location = ("tasks", "bandit", "train")
    with pytest.raises(UserError) as error:
        load_task(path, "bandit", {(*train, "gamma"): 2, (*train, "learning_rate", "x"): 1})
    assert str(error.value).splitlines() == [
        "tasks.bandit.train.gamma: expected a number from 0 to 1, received 2",
        "tasks.bandit.train.learning_rate: expected a number from 1e-30 to 1e30, received {'x': 1}",
    ]
    with pytest.raises(UserError, match="expected a task of .*, one of bandit, received 'band'"):
        load_task(path, "band", {("tasks", "band", "train", "gamma"): 2})
