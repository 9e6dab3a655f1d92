"""Values of parameters on the command line."""

import pytest

from pipeline.task.errors import UserError
from pipeline.trials.values import make_candidates, parse_values
from tests.pipeline.small_task import BANDIT, write_params


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x=1,2.5", [1, 2.5]),
        ("x=1e-05", [1e-5]),
        ("x=[64,64],[]", [[64, 64], []]),
        ("x=adam,null,true", ["adam", None, True]),
    ],
)
def test_values_are_yaml(text, values):
    assert parse_values(text) == ("x", values)


@pytest.mark.parametrize("text", ["x", "x=", "=1", "x=]", "x=1,1", "x={a: 1}"])
def test_other_text_is_a_mistake(text):
    with pytest.raises(UserError, match=text[0]):
        parse_values(text)


def test_several_names_give_the_grid_of_their_values(tmp_path):
    path = write_params(tmp_path, bandit=BANDIT)
    arguments = ["learning_rate=0.1,0.2", "policy.hidden_sizes=[],[4]", "gamma=0.5", "runs=3"]
    candidates = make_candidates(path, "bandit", arguments)
    assert [candidate.label for candidate in candidates] == [
        "learning_rate=0.1, policy.hidden_sizes=[]",
        "learning_rate=0.1, policy.hidden_sizes=[4]",
        "learning_rate=0.2, policy.hidden_sizes=[]",
        "learning_rate=0.2, policy.hidden_sizes=[4]",
    ]
    params = candidates[1].task.params
    assert (params.train.learning_rate, params.policy.hidden_sizes) == (0.1, (4,))
    assert (params.train.gamma, params.num_runs) == (0.5, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["gamma=0.5,2,x"],
            "tasks.bandit.train.gamma: expected a number from 0 to 1, received 2\n"
            "tasks.bandit.train.gamma: expected a number from 0 to 1, received 'x'",
        ),
        (["gamma=1", "runs=1,2"], "runs: expected one number, received [1, 2]"),
        (
            ["gamma=1", "train.gamma=0.5"],
            "expected one or more different NAME=VALUE,VALUE…, received 'gamma=1 train.gamma=0.5'",
        ),
        (["runs=2"], "expected one or more different NAME=VALUE,VALUE…, received 'runs=2'"),
    ],
)
def test_mistakes_are_reported_together(arguments, message, tmp_path):
    with pytest.raises(UserError) as error:
        make_candidates(write_params(tmp_path, bandit=BANDIT), "bandit", arguments)
    assert str(error.value) == message
