"""Differences between revisions of a task, and their description."""

import json

import numpy as np
import pytest

from pipeline.evaluation.table import metrics_of
from pipeline.experiments.comparison import (
    Comparison,
    Difference,
    Result,
    difference,
    differences,
    differing,
    differing_parameters,
    environments,
    make_result,
    measures,
    policy_curve,
)
from pipeline.experiments.text import as_json, caption, describe, sentence
from pipeline.formatting import number
from pipeline.statistics import Interval, difference_interval


def evaluation(*means):
    """Return two episodes per run and mode, with mean means[run], plus 1 if sampled."""
    run, sampled, episode = (i.ravel() for i in np.indices((len(means), 2, 2)))
    returns = np.array(means, dtype=float)[run] + sampled + np.where(episode, 2.0, -2.0)
    return {
        "run": run,
        "mode": np.array(["greedy", "sampled"])[sampled],
        "episode_return": returns,
        "discounted_return": returns,
    }


def result(revision, *means):
    return make_result(revision, evaluation(*means))


def test_a_result_has_the_metrics_and_the_mean_of_each_run():
    found = result("a", 4, 7, 1)
    assert found.num_runs == 3
    assert found.metrics == metrics_of(evaluation(4, 7, 1))
    assert found.metrics["sampled"] == 5
    np.testing.assert_array_equal(found.means["greedy"], [4, 7, 1])
    np.testing.assert_array_equal(found.means["sampled"], [5, 8, 2])


def test_a_difference_larger_than_the_spread_of_runs_has_a_direction():
    # Interquartile means of four: (2 + 3) / 2 = 2.5 and (12 + 13) / 2 = 12.5.
    low, high = result("low", 1, 2, 3, 4), result("high", 11, 12, 13, 14)
    found = difference(low, high, "greedy")
    assert (found.first, found.second, found.difference) == ("low", "high", 10)
    assert found.interval == difference_interval([1, 2, 3, 4], [11, 12, 13, 14])
    assert found.verdict == "higher"
    assert difference(high, low, "sampled").verdict == "lower"


def test_overlapping_runs_are_not_told_apart():
    found = difference(result("a", 1, 2, 3, 4), result("b", 2, 3, 4, 1.5), "greedy")
    assert found.verdict == "not told apart"
    assert found.interval is not None
    assert found.interval.low < 0 < found.interval.high


def test_an_interval_that_ends_at_0_is_inconclusive():
    # Three of the four runs are equal, so most resamples differ by 0.
    found = difference(result("a", 5, 5, 5, 5), result("b", 5, 5, 5, 9), "greedy")
    assert found.interval is not None
    assert found.interval.low == 0
    assert found.verdict == "not told apart"


@pytest.mark.parametrize(
    ("first", "second"),
    [((1, 2, 3), (1, 2, 3)), ((500,) * 5, (500,) * 3), ((7,), (7,))],
    ids=["run by run", "solved", "single"],
)
def test_equal_returns_are_the_same(first, second):
    assert difference(result("a", *first), result("b", *second), "greedy").verdict == "same"


def test_equal_returns_in_another_order_are_not_told_apart():
    found = difference(result("a", 1, 2, 3, 4), result("b", 4, 3, 2, 1), "greedy")
    assert (found.verdict, found.difference) == ("not told apart", 0)


def test_fewer_than_four_runs_are_inconclusive():
    few, more = result("few", 1, 2, 3), result("more", 11, 12, 13, 14)
    for found in (difference(few, more, "greedy"), difference(more, few, "greedy")):
        assert found.verdict == "too few runs"
        assert found.interval is not None
        assert found.interval.low * found.interval.high > 0


def test_a_single_run_has_a_difference_without_interval():
    found = difference(result("one", 1), result("more", 4, 4, 4, 4), "greedy")
    assert found == Difference("one", "more", "greedy", 3, None, "single run")


def test_metrics_alone_give_a_difference_without_interval():
    metrics = Result("old", 5, metrics_of(evaluation(1, 2, 3)), {})
    found = difference(metrics, result("new", 6, 6, 6), "sampled")
    assert found == Difference("old", "new", "sampled", 4, None, "runs missing")


def test_few_revisions_are_compared_pairwise_and_many_with_the_first():
    results = [result(name, 1, 2) for name in "abcd"]
    pairs = [(found.first, found.second) for found in differences(results[:3], [])[::2]]
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c")]
    pairs = [(found.first, found.second) for found in differences(results, [])[::2]]
    assert pairs == [("a", "b"), ("a", "c"), ("a", "d")]
    assert [found.measure for found in differences(results[:2], [])] == ["greedy", "sampled"]


@pytest.mark.parametrize(
    ("parameter", "verdict"),
    [
        ("env.id", "other environment"),
        ("env.kwargs.gravity", "other environment"),
        ("env.max_episode_steps", "other environment"),
        ("env.backend", "higher"),
        ("train.gamma", "higher"),
    ],
)
def test_returns_of_different_environments_are_not_compared(parameter, verdict):
    results = [result("a", 1, 2, 3, 4), result("b", 11, 12, 13, 14)]
    parameters = {parameter: {"a": "x", "b": "y"}}
    for found in differences(results, environments(parameters, {"a": None})):
        assert found.verdict == verdict
        if verdict == "other environment":
            assert (found.difference, found.interval) == (None, None)
            words = f"b minus a, {found.measure}: not compared (the environments differ)"
            assert sentence(found) == words
    described = describe("maze", comparison(*results, parameters=parameters))
    assert described.startswith(f"maze: {parameter} differs; ")


def test_returns_of_an_environment_that_was_changed_are_not_compared():
    results = [result("a", 1, 2, 3, 4), result("b", 11, 12, 13, 14)]
    for other, verdict in (("1", "higher"), ("2", "other environment"), (None, "higher")):
        found = differences(results, environments({}, {"a": "1", "b": other}))
        assert {one.verdict for one in found} == {verdict}


def test_only_revisions_with_the_same_environment_are_compared():
    results = [result(name, 1, 2) for name in "abc"]
    found = differences(results, [{"a": "x", "b": "y", "c": "x"}])
    assert [one.verdict for one in found[::2]] == ["other environment", "same", "other environment"]


def bandit(*final):
    """Return tables of runs whose P(action 1) has these values after two episodes."""
    run, episode = (i.ravel() for i in np.indices((len(final), 2)))
    curve = {"run": run, "num_episodes": episode + 1, "num_env_steps": episode + 1}
    run, episode = (i.ravel() for i in np.indices((len(final), 3)))
    second = np.where(episode == 2, np.array(final)[run], 0.5)
    distribution = {"run": run, "num_episodes": episode}
    return curve, distribution | {"probability_0": 1 - second, "probability_1": second}


def test_a_bandit_is_compared_by_its_policies():
    policy = policy_curve(*bandit(0.6, 0.7))
    assert policy is not None
    assert policy.name == "P(action 1)"
    np.testing.assert_array_equal(policy.points.num_env_steps, [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(policy.points.values, [[0.5, 0.5, 0.6], [0.5, 0.5, 0.7]])
    other = policy._replace(final=np.array([0.8, 0.9]))
    results = [
        make_result(name, evaluation(1, 2), of_it)
        for name, of_it in zip("ab", [policy, other], strict=True)
    ]
    found = differences(results, [])[-1]
    assert found.measure == "P(action 1)"
    assert found.difference == pytest.approx(0.2)
    assert found.interval == difference_interval([0.6, 0.7], [0.8, 0.9])
    table = describe("bandit", comparison(*results)).splitlines()
    assert table[2].endswith("worst run  P(action 1)")
    assert table[3].endswith("0.650 [0.600, 0.700]")
    assert json.loads(json.dumps(as_json(comparison(*results)), allow_nan=False))
    # A revision whose table is lost has no such number.
    results[1] = result("b", 1, 2)
    assert measures(results) == ["greedy", "sampled"]


def test_a_policy_of_longer_episodes_or_more_actions_is_not_one_number():
    curve, distribution = bandit(0.6)
    assert policy_curve(curve | {"num_env_steps": np.array([3, 6])}, distribution) is None
    third = {"probability_2": np.zeros(3)}
    assert policy_curve(curve, distribution | third) is None


def test_only_what_differs_is_named():
    values = {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2, "z": 0}}
    assert differing(values) == {
        "y": {"a": 2, "b": 3, "c": 2},
        "z": {"a": None, "b": None, "c": 0},
    }


def test_a_parameter_that_is_left_out_has_its_default():
    written = {"train.reward_scale": 1.0, "train.value.hidden_sizes": [64, 64], "seed": 1}
    assert differing_parameters({"a": written, "b": {"seed": 1}}) == {}
    changed = {"train.reward_scale": 0.5, "env.kwargs.gravity": 9.8, "train.gamma": 0.9}
    assert differing_parameters({"a": changed, "b": {"train.gamma": 1.0}}) == {
        "train.reward_scale": {"a": 0.5, "b": 1.0},
        "env.kwargs.gravity": {"a": 9.8, "b": None},  # without a default
        "train.gamma": {"a": 0.9, "b": 1.0},
    }


@pytest.mark.parametrize(
    ("interval", "verdict", "words"),
    [
        ((0.5, 2.5), "higher", "+1.50 [+0.500, +2.50], higher"),
        ((-1, 4), "not told apart", "+1.50 [−1.00, +4.00], inconclusive (the interval includes 0)"),
        (
            (1, 2),
            "too few runs",
            "+1.50 [+1.00, +2.00], inconclusive (fewer than 4 runs)",
        ),
        (None, "single run", "+1.50, no interval (a single run)"),
        (None, "runs missing", "+1.50, no interval (the returns of each run are missing)"),
        ((1, 2), "same", "identical in every run"),
    ],
)
def test_the_sentence_of_each_verdict(interval, verdict, words):
    found = Difference("a", "b", "greedy", 1.5, interval and Interval(*interval), verdict)
    assert sentence(found) == f"b minus a, greedy: {words}"


def comparison(*results, parameters=None, code=(), notes=()):
    return Comparison(
        parameters or {},
        None if code is None else list(code),
        list(results),
        differences(results, environments(parameters or {}, {"a": None})),
        {},
        {},
        list(notes),
    )


def test_the_table_has_a_line_per_revision_and_a_column_per_differing_parameter():
    compared = comparison(
        result("slow", 1, 2, 3, 4),
        result("fast", 11, 12, 13, 14),
        parameters={"train.learning_rate": {"slow": 1e-05, "fast": 0.01}},
        notes=["slow: is old"],
    )
    low, high = (
        compared.results[0].metrics["greedy_low"],
        compared.results[0].metrics["greedy_high"],
    )
    head, _, columns, slow, fast, _, *sentences, _, note = describe("maze", compared).splitlines()
    assert head == "maze: train.learning_rate differs; same code"
    assert columns.split()[:5] == ["revision", "train.learning_rate", "runs", "greedy", "worst"]
    assert slow.split()[:7] == [
        "slow",
        "1e-05",
        "4",
        "2.50",
        f"[{number(low)},",
        f"{number(high)}]",
        "1.00",
    ]
    assert fast.split()[:4] == ["fast", "0.01", "4", "12.5"]
    assert slow.index("1e-05") == fast.index("0.01") == columns.index("train.")
    assert [line.strip() for line in sentences] == [sentence(d) for d in compared.differences]
    assert note.strip() == "slow: is old"


def test_identical_revisions_take_one_line():
    *_, columns, row = describe(
        "maze", comparison(result("a", 5, 5), result("b", 5, 5))
    ).splitlines()
    assert columns.split()[0] == "revision"
    assert row.split()[:5] == ["all", "2", "5.00", "[5.00,", "5.00]"]


def test_a_single_run_is_shown_without_interval():
    row = describe("maze", comparison(result("a", 5), result("b", 6))).splitlines()[3]
    assert row.split() == ["a", "1", "5.00", "5.00", "6.00", "6.00"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ((), "same code"),
        (("models",), "code differs in models"),
        (("models", "pipeline/train.py"), "code differs in models and pipeline/train.py"),
        ("abcdef", "code differs in a, b, c, d and 2 more"),
        (None, "code not recorded"),
    ],
)
def test_the_code_that_differs_is_named(code, words):
    compared = comparison(result("a", 5), result("b", 6), code=code)
    assert describe("maze", compared).startswith(f"maze: same parameters; {words}\n")


def test_a_caption_has_the_first_parameters_that_differ():
    parameters = {"train.gamma": {"a": 1.0}, "env.kwargs.map": {"a": "4x4"}}
    compared = comparison(parameters=parameters)
    assert caption("a", compared) == "gamma 1.0\nmap 4x4"
    compared = comparison(parameters=parameters | {"seed": {"a": 0}})
    assert caption("a", compared) == "gamma 1.0\nmap 4x4, …"
    assert caption("a", comparison()) == ""


def test_a_caption_distinguishes_parameters_with_the_same_last_name():
    parameters = {"train.num_episodes": {"a": 512}, "evaluate.num_episodes": {"a": 100}}
    compared = comparison(parameters=parameters)
    assert caption("a", compared) == "num_episodes 512\nevaluate.num_episodes 100"


def test_as_json():
    compared = comparison(result("a", 1, 2, 3, 4), result("b", 11), code=["models"], notes=["n"])
    written = json.loads(json.dumps(as_json(compared), allow_nan=False))
    assert written["results"]["a"] == {
        "num_runs": 4,
        **compared.results[0].metrics,
        "runs": {"greedy": [1, 2, 3, 4], "sampled": [2, 3, 4, 5]},
    }
    assert written["differences"][0] == {
        "first": "a",
        "second": "b",
        "measure": "greedy",
        "difference": 8.5,
        "interval": None,
        "verdict": "single run",
    }
    assert (written["parameters"], written["code"], written["notes"]) == ({}, ["models"], ["n"])
    compared = comparison(result("a", 1, 2, 3, 4), result("b", 11, 12, 13, 14))
    low, high = as_json(compared)["differences"][0]["interval"]
    assert 0 < low < 10 < high
