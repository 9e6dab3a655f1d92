"""params.yaml: the accepted values, and the exact message for each kind of mistake."""

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pydantic
import pytest
from ruamel.yaml import YAML

from pipeline.task import schema
from pipeline.task.errors import UserError
from pipeline.task.schema import EnvParams, TaskParams
from pipeline.task.validation import load_params, validate
from reinforce.baselines import BASELINES

ROOT = Path(__file__).parents[3]

TASK = """
    num_runs: 2
    env: {id: Bandit-v0, kwargs: {probabilities: [0.3, 0.7]}}
    policy: {hidden_sizes: [8, 4], activation: relu}
    rollout: {num_episodes: 100}
    train:
      num_episodes: 320
      episodes_per_update: 16
      gamma: 0.9
      optimizer: sgd
      learning_rate: 0.01
      baseline: per_step
      normalize_advantages: true
      entropy_coefficient: 0.5
      max_gradient_norm: 1.5
    evaluate: {num_episodes: 7}
"""
MEASURED = "variance: {second: {num_runs: 1, num_batches: 12}}"
VALID = f"seed: 3\ntasks:\n  first:{TASK}  second:{TASK}{MEASURED}\n"
TASK_FIELDS = "num_runs, env, policy, rollout, train, evaluate"
TRAIN_FIELDS = (
    "num_episodes, num_env_steps, episodes_per_update, gamma, optimizer, learning_rate, "
    "learning_rate_schedule, final_learning_rate, reward_scale, bootstrap_truncated, baseline, "
    "value, normalize_advantages, entropy_coefficient, max_gradient_norm, keep"
)
PLAIN = "text without ${, a number, true, false, null, or a list or mapping of these"


def edited(*edits):
    """Return the valid file with the first occurrence of each old text, in task `first`, replaced.

    Args:
        edits: Pairs of old and new text.
    """
    text = VALID
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def write(folder, text):
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def mistakes(folder, text):
    """Return the lines of the message, without the file name at the start of each."""
    path = write(folder, text)
    with pytest.raises(UserError) as error:
        load_params(path)
    lines = str(error.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def test_a_valid_file_is_read_field_by_field(tmp_path):
    params = load_params(write(tmp_path, VALID))
    assert list(params.tasks) == ["first", "second"]
    task = {
        "num_runs": 2,
        "env": {
            "id": "Bandit-v0",
            "kwargs": {"probabilities": [0.3, 0.7]},
            "max_episode_steps": None,
            "action_mask": None,
            "backend": "auto",
            "num_copies": None,
        },
        "policy": {
            "hidden_sizes": (8, 4),
            "activation": "relu",
            "normalize_observations": False,
            "standard_deviation": "state_independent",
            "initial_standard_deviation": 1.0,
            "bounded_actions": "clip",
        },
        "rollout": {"num_episodes": 100},
        "train": {
            "num_episodes": 320,
            "num_env_steps": None,
            "episodes_per_update": 16,
            "gamma": 0.9,
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "learning_rate_schedule": "constant",
            "final_learning_rate": 0.0,
            "reward_scale": 1.0,
            "bootstrap_truncated": False,
            "baseline": "per_step",
            "value": {
                "hidden_sizes": (64, 64),
                "activation": "tanh",
                "optimizer": "adam",
                "learning_rate": 0.003,
                "steps_per_update": 10,
                "normalize_targets": True,
            },
            "normalize_advantages": True,
            "entropy_coefficient": 0.5,
            "max_gradient_norm": 1.5,
            "keep": "final",
        },
        "evaluate": {"num_episodes": 7},
    }
    tasks = {"first": task, "second": task}
    assert params.model_dump() == {
        "seed": 3,
        "num_workers": None,
        "checkpoint_seconds": 30.0,
        "tasks": tasks,
        "variance": {"second": {"num_runs": 1, "num_batches": 12}},
        "tune": {},
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 3", "seed: 0"),
        ("seed: 3", "seed: 4294967295"),
        ("gamma: 0.9", "gamma: 0"),
        ("gamma: 0.9", "gamma: 1"),
        ("[8, 4]", "[]"),
        ("max_gradient_norm: 1.5", "max_gradient_norm: null"),
        ("max_gradient_norm: 1.5", "max_gradient_norm: 1.5\n      keep: best"),
        ("entropy_coefficient: 0.5", "entropy_coefficient: 0"),
        (", kwargs: {probabilities: [0.3, 0.7]}", ""),
        ("{probabilities: [0.3, 0.7]}", "{a: .inf, b: {c: [~, true, text, 1]}}"),
        ("Bandit-v0", "package.module:Id-v0"),
        ("rollout: {num_episodes: 100}", "rollout: {num_episodes: 16}"),
        ("episodes_per_update: 16", "episodes_per_update: 2"),
        ("first:", "Ant_v5-fast:"),
    ],
)
def test_values_just_inside_the_bounds_are_accepted(tmp_path, old, new):
    load_params(write(tmp_path, edited((old, new))))


def test_an_integer_becomes_a_float_where_a_number_is_expected(tmp_path):
    params = load_params(write(tmp_path, edited(("gamma: 0.9", "gamma: 1"))))
    assert type(params.tasks["first"].train.gamma) is float


def test_a_learning_rate_as_dvc_writes_it_is_a_float(tmp_path):
    params = load_params(write(tmp_path, edited(("learning_rate: 0.01", "learning_rate: 1e-05"))))
    assert params.tasks["first"].train.learning_rate == 0.00001


def test_env_kwargs_may_be_left_out(tmp_path):
    params = load_params(write(tmp_path, edited((", kwargs: {probabilities: [0.3, 0.7]}", ""))))
    assert params.tasks["first"].env.kwargs == {}


def test_params_are_frozen(tmp_path):
    params = load_params(write(tmp_path, VALID))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        params.tasks["first"].train.gamma = 0.5


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        # numbers: out of range, of another type, not finite
        ("gamma: 0.9", "gamma: 1.5", "train.gamma: expected a number from 0 to 1, received 1.5"),
        ("gamma: 0.9", "gamma: -1", "train.gamma: expected a number from 0 to 1, received -1"),
        ("gamma: 0.9", "gamma: true", "train.gamma: expected a number from 0 to 1, received true"),
        (
            "gamma: 0.9",
            "gamma: '0.9'",
            "train.gamma: expected a number from 0 to 1, received '0.9'",
        ),
        ("gamma: 0.9", "gamma:", "train.gamma: expected a number from 0 to 1, received null"),
        (
            "gamma: 0.9",
            "gamma: 2026-01-31",
            "train.gamma: expected a number from 0 to 1, received the date 2026-01-31",
        ),
        (
            "gamma: 0.9",
            "gamma: .nan",
            "train.gamma: expected a number from 0 to 1, received nan, which is not finite",
        ),
        (
            "learning_rate: 0.01",
            "learning_rate: .inf",
            "train.learning_rate: expected a number from 1e-30 to 1e30, received inf, which is "
            "not finite",
        ),
        (
            "learning_rate: 0.01",
            "learning_rate: 0.0",
            "train.learning_rate: expected a number from 1e-30 to 1e30, received 0.0",
        ),
        (
            "learning_rate: 0.01",
            "learning_rate: 1.0e-46",  # 0 as float32
            "train.learning_rate: expected a number from 1e-30 to 1e30, received 1e-46",
        ),
        (
            "entropy_coefficient: 0.5",
            "entropy_coefficient: 1.0e+39",  # infinite as float32
            "train.entropy_coefficient: expected a number from 0 to 1e30, received 1e+39",
        ),
        (
            "learning_rate: 0.01",
            f"learning_rate: 1{400 * '0'}",  # beyond the largest float; 57 of 401 digits are shown
            f"train.learning_rate: expected a number from 1e-30 to 1e30, received 1{56 * '0'}...",
        ),
        (
            "entropy_coefficient: 0.5",
            "entropy_coefficient: -0.5",
            "train.entropy_coefficient: expected a number from 0 to 1e30, received -0.5",
        ),
        (
            "max_gradient_norm: 1.5",
            "max_gradient_norm: 0",
            "train.max_gradient_norm: expected a number from 1e-30 to 1e30, or null, received 0",
        ),
        (
            "max_gradient_norm: 1.5",
            "max_gradient_norm: none",
            "train.max_gradient_norm: expected a number from 1e-30 to 1e30, or null, received "
            "'none'",
        ),
        (
            "max_gradient_norm: 1.5",
            "max_gradient_norm: 1.5\n      keep: last",
            "train.keep: expected one of final, best, received 'last'",
        ),
        # integers
        (
            "num_runs: 2",
            "num_runs: 2147483648",
            "num_runs: expected an integer from 1 to 2147483647, received 2147483648",
        ),
        (
            "num_runs: 2",
            "num_runs: 0",
            "num_runs: expected an integer from 1 to 2147483647, received 0",
        ),
        (
            "num_runs: 2",
            "num_runs: 2.0",
            "num_runs: expected an integer from 1 to 2147483647, received 2.0",
        ),
        (
            "num_runs: 2",
            "num_runs: yes",
            "num_runs: expected an integer from 1 to 2147483647, received 'yes'",
        ),
        (
            "evaluate: {num_episodes: 7}",
            "evaluate: {num_episodes: true}",
            "evaluate.num_episodes: expected an integer from 1 to 2147483647, received true",
        ),
        (
            "rollout: {num_episodes: 100}",
            "rollout: {num_episodes: -3}",
            "rollout.num_episodes: expected an integer from 1 to 2147483647, received -3",
        ),
        # lists
        (
            "[8, 4]",
            "64",
            "policy.hidden_sizes: expected a list of integers, such as [64, 64] or [], received 64",
        ),
        (
            "[8, 4]",
            "[8, 0]",
            "policy.hidden_sizes[1]: expected an integer from 1 to 2147483647, received 0",
        ),
        # true or false
        (
            "normalize_advantages: true",
            "normalize_advantages: yes",
            "train.normalize_advantages: expected true or false, received 'yes'",
        ),
        (
            "normalize_advantages: true",
            "normalize_advantages: 1",
            "train.normalize_advantages: expected true or false, received 1",
        ),
        # one of several choices
        (
            "baseline: per_step",
            "baseline: leave_on_out",
            "train.baseline: expected one of none, leave_one_out, per_step, value, received "
            "'leave_on_out'; did you mean leave_one_out?",
        ),
        (
            "optimizer: sgd",
            "optimizer: ADAM",
            "train.optimizer: expected one of adam, sgd, rmsprop, received 'ADAM'; did you mean "
            "adam?",
        ),
        (
            "activation: relu",
            "activation: [relu]",
            "policy.activation: expected one of tanh, relu, elu, gelu, silu, sigmoid, received "
            "['relu']",
        ),
        # the environment
        (
            "id: Bandit-v0",
            "id: ''",
            "env.id: expected the id of a Gymnasium environment, such as CartPole-v1, received ''",
        ),
        (
            "id: Bandit-v0",
            "id: '${seed}'",
            "env.id: expected the id of a Gymnasium environment, such as CartPole-v1, received "
            "'${seed}'",
        ),
        (
            "{probabilities: [0.3, 0.7]}",
            "",
            "env.kwargs: expected keyword arguments, such as {gravity: 9.8}, received null",
        ),
        (
            "{probabilities: [0.3, 0.7]}",
            "{two words: 1}",
            "env.kwargs: expected the name of a keyword argument, received 'two words'",
        ),
        # kwargs that DVC does not support or that would never equal those in dvc.lock
        (
            "[0.3, 0.7]",
            "2026-01-31",
            f"env.kwargs.probabilities: expected {PLAIN}, received the date 2026-01-31",
        ),
        (
            "[0.3, 0.7]",
            "'${seed}'",
            f"env.kwargs.probabilities: expected {PLAIN}, received '${{seed}}'",
        ),
        (
            "[0.3, 0.7]",
            "[{a: .nan}]",
            f"env.kwargs.probabilities: expected {PLAIN}, received [{{'a': nan}}]",
        ),
        # keys
        (
            "learning_rate:",
            "learnin_rate:",
            "train.learnin_rate: unknown; did you mean learning_rate?",
        ),
        ("kwargs:", "kwarg:", "env.kwarg: unknown; did you mean kwargs?"),
        ("num_runs:", "Num-Runs:", "Num-Runs: unknown; did you mean num_runs?"),
        ("rollout:", "'roll out':", "'roll out': unknown; did you mean rollout?"),
        (
            "num_runs: 2",
            "num_runs: 2\n    color: red",
            f"color: unknown; expected one of {TASK_FIELDS}",
        ),
        # a similar field that the section has already is not suggested
        (
            "gamma: 0.9",
            "gamma: 0.9\n      gama: 0.9",
            f"train.gama: unknown; expected one of {TRAIN_FIELDS}",
        ),
        (
            "      learning_rate: 0.01\n",
            "",
            "train.learning_rate: missing; expected a number from 1e-30 to 1e30 (the optimizer's "
            "step size)",
        ),
        (
            "    rollout: {num_episodes: 100}\n",
            "",
            "rollout: missing; expected a section with num_episodes (the episodes of the "
            "initial policies)",
        ),
        (
            "rollout: {num_episodes: 100}",
            "rollout: 100",
            "rollout: expected a section with num_episodes, received 100",
        ),
        # fields that contradict each other
        (
            "episodes_per_update: 16",
            "episodes_per_update: 1",
            "train.episodes_per_update: expected at least 2, since the baseline per_step is a mean "
            "over an update's other episodes, received 1",
        ),
        (
            "num_episodes: 320",
            "num_episodes: 330",  # 20 · 16 = 320 < 330 < 336 = 21 · 16
            "train.num_episodes: expected a multiple of episodes_per_update (16), such as 320 or "
            "336, received 330",
        ),
        (
            "num_episodes: 320",
            "num_episodes: 8",  # 0 is no number of episodes to train on
            "train.num_episodes: expected a multiple of episodes_per_update (16), such as 16, "
            "received 8",
        ),
        (
            "rollout: {num_episodes: 100}",
            "rollout: {num_episodes: 15}",
            "rollout.num_episodes: expected at least train.episodes_per_update (16), since the "
            "first update uses these episodes, received 15",
        ),
    ],
)
def test_a_mistake_in_a_task(tmp_path, old, new, mistake):
    assert mistakes(tmp_path, edited((old, new))) == [f"tasks.first.{mistake}"]


@pytest.mark.parametrize(
    ("section", "mistake"),
    [
        (
            "{second: {num_runs: 1, num_batches: 9}}",
            "variance.second.num_batches: expected an integer from 10 to 2147483647, received 9",
        ),
        (
            "{second: {num_runs: 0, num_batches: 10}}",
            "variance.second.num_runs: expected an integer from 1 to 2147483647, received 0",
        ),
        (
            "{Second: {num_runs: 1, num_batches: 10}}",
            "variance: expected the name of a task, one of first, second, received 'Second'; did "
            "you mean second?",
        ),
        ("{second: }", "variance.second: expected a section with num_runs, num_batches, "),
        ("", "variance: expected a section under the name of each task, or {}, received null"),
    ],
)
def test_a_mistake_in_the_measured_tasks(tmp_path, section, mistake):
    (found,) = mistakes(tmp_path, edited((MEASURED, f"variance: {section}")))
    assert found.startswith(mistake)


def test_without_measured_tasks(tmp_path):
    for text in ("", "variance: {}"):
        assert load_params(write(tmp_path, edited((MEASURED, text)))).variance == {}


@pytest.mark.parametrize("baseline", ["leave_one_out", "per_step"])
def test_a_baseline_over_other_episodes_needs_two(tmp_path, baseline):
    text = edited(("per_step", baseline), ("episodes_per_update: 16", "episodes_per_update: 1"))
    assert mistakes(tmp_path, text) == [
        "tasks.first.train.episodes_per_update: expected at least 2, since the baseline "
        f"{baseline} is a mean over an update's other episodes, received 1"
    ]


@pytest.mark.parametrize("baseline", ["none", "value"])
def test_a_baseline_without_other_episodes_needs_one(tmp_path, baseline):
    text = edited(("per_step", baseline), ("episodes_per_update: 16", "episodes_per_update: 1"))
    load_params(write(tmp_path, text))


def test_a_task_name_fits_into_a_files_name(tmp_path):
    load_params(write(tmp_path, edited(("first:", f"{'a' * 100}:"))))
    (mistake,) = mistakes(tmp_path, edited(("first:", f"{'a' * 101}:")))
    assert mistake.startswith("tasks: expected a task name (a letter, then")


@pytest.mark.parametrize(
    "name", ["two words", "a.b", "a@b", "-a", "1", "", "a/b", "a\\n", "é", "_"]
)
def test_a_task_name_that_cannot_name_a_folder_or_stage(tmp_path, name):
    # "1" is quoted here, so it is text, but not a task name. "a\n" ends in a line break.
    shown = repr(name.replace("\\n", "\n"))
    assert mistakes(tmp_path, edited(("first:", f'"{name}":'))) == [
        "tasks: expected a task name (a letter, then up to 99 letters, digits, _ and -), received "
        + shown
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "[1, 2]",
            "expected a section with seed, num_workers, checkpoint_seconds, tasks, variance, tune, "
            "received [1, 2]",
        ),
        (
            "hello",
            "expected a section with seed, num_workers, checkpoint_seconds, tasks, variance, tune, "
            "received 'hello'",
        ),
        (
            "seed: 1",
            "tasks: missing; expected at least one task, each a section under its name (the tasks "
            "to train)",
        ),
        (
            "seed: 1\ntasks: {}",
            "tasks: expected at least one task, each a section under its name, received {}",
        ),
        (
            "seed: 1\ntasks:",
            "tasks: expected at least one task, each a section under its name, received null",
        ),
        (
            "seed: 1\ntasks: {cartpole: 5}",
            f"tasks.cartpole: expected a section with {TASK_FIELDS}, received 5",
        ),
        (VALID.replace("seed: 3", "sed: 3"), "sed: unknown; did you mean seed?"),
        (
            VALID.replace("seed: 3", "seed: 4294967296"),
            "seed: expected an integer from 0 to 4294967295, received 4294967296",
        ),
    ],
)
def test_a_mistake_in_the_whole(tmp_path, text, mistake):
    assert mistakes(tmp_path, text) == [mistake]


def test_two_misspelled_keys_do_not_share_a_suggestion(tmp_path):
    text = edited(("num_episodes: 320", "num_episode: 320\n      num_episods: 5"))
    assert mistakes(tmp_path, text) == [
        "tasks.first.train.num_episode: unknown; did you mean num_episodes?",
        f"tasks.first.train.num_episods: unknown; expected one of {TRAIN_FIELDS}",
    ]


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path):
    # One of each kind: a wrong value, a misspelled key, a missing field, an unknown choice, and two
    # fields that contradict each other, next to the wrong value and the misspelled key.
    text = edited(
        ("num_runs: 2", "num_runs: two"),
        ("num_episodes: 320", "num_episodes: 321"),
        ("gamma: 0.9", "gamma: 1.5"),
        ("learning_rate:", "learnin_rate:"),
        ("      entropy_coefficient: 0.5\n", ""),
    )
    head, _, second = text.partition("  second:")
    second = second.replace("per_step", "per_stop").replace("num_episodes: 100", "num_episodes: 9")
    assert mistakes(tmp_path, f"{head}  second:{second}") == [
        "tasks.first.num_runs: expected an integer from 1 to 2147483647, received 'two'",
        "tasks.first.train.gamma: expected a number from 0 to 1, received 1.5",
        "tasks.first.train.entropy_coefficient: missing; expected a number from 0 to 1e30 (the "
        "weight of the policy's entropy)",
        "tasks.first.train.learnin_rate: unknown; did you mean learning_rate?",
        "tasks.second.train.baseline: expected one of none, leave_one_out, per_step, value, "
        "received 'per_stop'; did you mean per_step?",
        "tasks.first.train.num_episodes: expected a multiple of episodes_per_update (16), such as "
        "320 or 336, received 321",
        "tasks.second.rollout.num_episodes: expected at least train.episodes_per_update (16), "
        "since the first update uses these episodes, received 9",
    ]


def test_rules_between_fields_leave_invalid_fields_alone(tmp_path):
    text = edited(("episodes_per_update: 16", "episodes_per_update: [16]"))
    assert mistakes(tmp_path, text) == [
        "tasks.first.train.episodes_per_update: expected an integer from 1 to 2147483647, "
        "received [16]"
    ]


def test_no_message_mentions_pydantic(tmp_path):
    text = edited(
        ("[8, 4]", "{}"), ("id: Bandit-v0", "id: 3"), ("first:", "'?':"), ("train:", "x:")
    )
    message = "\n".join(mistakes(tmp_path, text))
    assert not re.search(r"pydantic|https?:|\[type=|input_value|validation error", message)


def test_valid_environments_are_found_next_to_mistakes(tmp_path):
    path = write(tmp_path, edited(("id: Bandit-v0", "id: 3"), ("seed: 3", "seed: three")))
    params, environments, policies, _, mistakes = validate(path)
    assert params is None
    assert [policy.hidden_sizes for policy in policies.values()] == [(8, 4), (8, 4)]
    assert environments == {
        "second": EnvParams(id="Bandit-v0", kwargs={"probabilities": [0.3, 0.7]})
    }
    assert [mistake.location for mistake in mistakes] == [
        ("seed",),
        ("tasks", "first", "env", "id"),
    ]


LEARNING_RATE = "learning_rate: 0.01"


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "kwargs: {probabilities: [0.3, 0.7]}",
            "max_episode_steps: 0",
            "env.max_episode_steps: expected an integer from 1 to 2147483647, or null, received 0",
        ),
        (
            "activation: relu",
            "activation: relu, normalize_observations: 1",
            "policy.normalize_observations: expected true or false, received 1",
        ),
        (
            "activation: relu",
            "activation: relu, standard_deviation: state-dependent",
            "policy.standard_deviation: expected one of state_independent, state_dependent, "
            "received 'state-dependent'; did you mean state_dependent?",
        ),
        (
            "activation: relu",
            "activation: relu, bounded_actions: tanh",
            "policy.bounded_actions: expected one of clip, squash, received 'tanh'",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      learning_rate_schedule: cosin",
            "train.learning_rate_schedule: expected one of constant, linear, cosine, exponential, "
            "received 'cosin'; did you mean cosine?",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      learning_rate_schedule: exponential",
            "train.final_learning_rate: expected a number of at least 1e-30, since an exponential "
            "schedule never reaches 0, received 0",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      learning_rate_schedule: exponential"
            "\n      final_learning_rate: 1.0e-46",
            "train.final_learning_rate: expected a number of at least 1e-30, since an exponential "
            "schedule never reaches 0, received 1e-46",
        ),
        (
            LEARNING_RATE,
            "learning_rate: 1.0e+20\n      learning_rate_schedule: exponential"
            "\n      final_learning_rate: 1.0e-20",
            "train.final_learning_rate: expected a number of at least 1e-10, since an exponential "
            "schedule never reaches 0, received 1e-20",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      learning_rate_schedule: linear"
            "\n      final_learning_rate: 0.1",
            "train.final_learning_rate: expected at most learning_rate (0.01), received 0.1",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      reward_scale: 0",
            "train.reward_scale: expected a number from 1e-30 to 1e30, received 0",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      num_env_steps: 1000",
            "train.num_env_steps: expected null or no entry, since num_episodes is set, received "
            "1000",
        ),
        (
            "num_episodes: 320",
            "num_episodes:",
            "train.num_episodes: expected a number of episodes, or num_env_steps instead, received "
            "null",
        ),
        (
            "num_episodes: 320",
            "",
            "train.num_episodes: missing; expected a number of episodes, or num_env_steps instead",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      bootstrap_truncated: true",
            "train.bootstrap_truncated: expected false, since only the baseline value predicts "
            "what a time limit cuts off, received true",
        ),
        (
            "activation: relu",
            "activation: relu, initial_standard_deviation: 0",
            "policy.initial_standard_deviation: expected a number from 1e-30 to 1e30, received 0",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      value: {{steps_per_update: 0}}",
            "train.value.steps_per_update: expected an integer from 1 to 2147483647, received 0",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      value: {{normalise_targets: true}}",
            "train.value.normalise_targets: unknown; did you mean normalize_targets?",
        ),
        (
            LEARNING_RATE,
            f"{LEARNING_RATE}\n      final_learning_rate: 0.001",
            "train.final_learning_rate: expected 0 or no entry, since learning_rate_schedule is "
            "constant, received 0.001",
        ),
    ],
)
def test_a_mistake_in_an_optional_setting(tmp_path, old, new, mistake):
    assert mistakes(tmp_path, edited((old, new))) == [f"tasks.first.{mistake}"]


def test_the_section_value_may_stay_when_another_baseline_is_tried(tmp_path):
    text = edited((LEARNING_RATE, f"{LEARNING_RATE}\n      value: {{steps_per_update: 2}}"))
    assert load_params(write(tmp_path, text)).tasks["first"].train.baseline == "per_step"


def test_optional_settings_are_read(tmp_path):
    text = edited(
        ("activation: relu", "activation: relu, bounded_actions: squash"),
        ("baseline: per_step", "baseline: value"),
        (LEARNING_RATE, f"{LEARNING_RATE}\n      value: {{hidden_sizes: [], optimizer: sgd}}"),
        (LEARNING_RATE, f"{LEARNING_RATE}\n      learning_rate_schedule: linear"),
    )
    task = load_params(write(tmp_path, text)).tasks["first"]
    assert task.policy.bounded_actions == "squash"
    assert task.train.learning_rate_schedule == "linear"
    assert (task.train.value.hidden_sizes, task.train.value.optimizer) == ((), "sgd")
    assert task.train.value.learning_rate == 0.003


def test_the_committed_file_documents_the_defaults_of_optional_settings():
    text = (ROOT / "params.yaml").read_text()
    comment = text[text.index("#   env:\n") : text.index("\ntasks:\n")].rstrip()
    documented = YAML(typ="safe").load(re.sub("^#", "", comment, flags=re.MULTILINE))
    optional = {}
    for section in ("env", "policy", "train"):
        model: Any = TaskParams.model_fields[section].annotation
        optional[section] = {
            name: field.default.model_dump() if name == "value" else field.default
            for name, field in model.model_fields.items()
            if not field.is_required() and name not in ("kwargs", "num_episodes")
        }
    optional["train"]["value"]["hidden_sizes"] = [64, 64]
    assert documented == optional
    for line in comment.splitlines():
        assert "  # " in line or line.endswith(":") or line.startswith("#     # "), line


def test_the_committed_file_is_valid_and_explains_every_field():
    path = ROOT / "params.yaml"
    assert load_params(path)
    lines = path.read_text().splitlines()
    second_task = [i for i, line in enumerate(lines) if re.match(r"  \w+:", line)][1]
    for above, line in itertools.pairwise(lines[:second_task]):
        if re.match(r" *\w+: *[^ #]", line):  # a field with its value
            assert "  # " in line or above.lstrip().startswith("# "), line


def test_reading_params_imports_no_tensorflow():
    code = "import sys, pipeline.check; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_schema_lists_exactly_the_baselines_that_exist():
    assert set(get_args(schema.Baseline)) == {*BASELINES, "value"}
    assert set(schema.BASELINES_OVER_OTHER_EPISODES) <= set(BASELINES)
