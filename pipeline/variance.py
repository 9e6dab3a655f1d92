"""Stage `variance`: how noisy the gradient is with each baseline, before and after training.

The gradients are raw: no advantage is normalised, none is clipped, and there is no entropy bonus,
whatever the task's `train` says. Rewards and discount are the task's. Since all baselines are
unbiased, E ĝ is the same with each; the signal-to-noise ratios take its norm from the least noisy.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.environments.faults import located_in_run
from pipeline.files.artifacts import Table, write_table
from pipeline.parameters.schema import TrainParams
from pipeline.processes.stage import Task, run_stage, start_tensorflow
from pipeline.reinforce.variance import Estimate, measure_noise
from pipeline.seeds import Purpose, stream
from pipeline.statistics import CONFIDENCE, NUM_RESAMPLES, SEED

if TYPE_CHECKING:
    import tensorflow as tf

    from pipeline.reinforce.episodes import Episodes
    from pipeline.reinforce.gradients import Probe

Sample = Callable[[np.random.SeedSequence], "Episodes"]

MIN_EPISODES_PER_CALL = 16  # that are sampled side by side
# The baseline `value` is fitted to other episodes of the same policy: to 10,000 env steps of them
# or, where they are short, to what 32 calls give. Each of 600 steps of its optimizer sees 256.
MIN_FIT_ENV_STEPS = 10_000
MAX_FIT_CALLS = 32
FIT_MINIBATCHES, FIT_MINIBATCH_SIZE = 600, 256


def variance(task: Task) -> None:
    """Measures how noisy the gradient is with each baseline, before and after training."""
    start_tensorflow()
    from pipeline.reinforce.gradients import COMPARED

    rows = [
        {"policy": policy, "baseline": baseline, **row}
        for policy, probes in _probe_policies(task)
        for baseline, row in zip(COMPARED, _noise(task, probes), strict=True)
    ]
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    write_table(task.files.variance, table)
    num_runs, num_batches, per_batch = (
        rows[0][name] for name in ("num_runs", "num_batches", "num_episodes")
    )
    print(
        f"{task.name}: gradients of {per_batch} episodes, {num_batches} for each policy, number of "
        f"runs {num_runs}; estimates with 95 % intervals"
    )
    print(describe(table))


def _probe_policies(task: Task) -> Iterator[tuple[str, list["Probe"]]]:
    """The initial and the trained policies, with a probe of each run's."""
    import tensorflow as tf

    from pipeline.assembly import learners, policies
    from pipeline.assembly.backends import make_sampler
    from pipeline.reinforce.chunks import EAGER_CHUNK_SIZE
    from pipeline.reinforce.gradients import compile_comparison, probe
    from pipeline.reinforce.learner import episodes_signature
    from pipeline.reinforce.value import ValueBaseline, compile_fit

    params = task.params
    any_seed = stream(task.seed, Purpose.INITIAL_WEIGHTS, run=0)  # the weights are replaced
    policy = policies.make_policy(params.policy, task.specification, any_seed)
    train = _with_value(params.train)
    learner = learners.make_learner(train, policy, EAGER_CHUNK_SIZE)
    assert isinstance(learner.baseline, ValueBaseline)
    compare = compile_comparison(learner)
    returns = tf.function(learner.returns, input_signature=[episodes_signature(policy)])
    fit = compile_fit(learner.baseline, FIT_MINIBATCHES, FIT_MINIBATCH_SIZE)
    per_batch = episodes_per_batch(params.train)
    per_call = -(-MIN_EPISODES_PER_CALL // per_batch) * per_batch
    num_updates = params.train.num_episodes // params.train.episodes_per_update

    with make_sampler(task, policy, per_call)() as sample:
        for name, path, update in [
            ("initial", task.files.initial_weights, 0),
            ("trained", task.files.final_weights, num_updates),
        ]:
            weights = policies.read_weights(path, policy, params.num_runs)
            probes = []
            for run in range(min(params.variance.num_runs, params.num_runs)):
                seeds = stream(task.seed, Purpose.VARIANCE, run, update).spawn(4)
                learners.begin_run(learner, train, weights, run, seeds[0])
                learner.reset()
                with located_in_run(task, run):
                    data = _fit_data(returns, sample, seeds[1])
                fit(*data, np.random.default_rng(seeds[2]))
                batches = _batches(sample, seeds[3], params.variance.num_batches, per_batch)
                with located_in_run(task, run):
                    probes.append(probe(compare, batches))
            yield name, probes


def episodes_per_batch(params: TrainParams) -> int:
    """As many as of an update, but two at least: some baselines are means over the others."""
    return max(params.episodes_per_update, 2)


def _with_value(params: TrainParams) -> TrainParams:
    """The same, of a learner whose baseline is `value` and takes one step at a time."""
    value = params.value.model_copy(update={"steps_per_update": 1})
    return params.model_copy(update={"baseline": "value", "value": value})


def _fit_data(
    returns_of: Callable[["Episodes"], "tf.Tensor"], sample: Sample, seed: np.random.SeedSequence
) -> tuple[np.ndarray, np.ndarray]:
    """Observations `[N, O]` and returns `[N]` of all steps of complete episodes."""
    observations, returns, num_steps = [], [], 0
    for of_call in seed.spawn(MAX_FIT_CALLS):
        episodes = sample(of_call)
        observations.append(episodes.observations[episodes.valid])
        returns.append(returns_of(episodes).numpy()[episodes.valid])
        num_steps += len(returns[-1])
        if num_steps >= MIN_FIT_ENV_STEPS:
            break
    return np.concatenate(observations), np.concatenate(returns)


def _batches(
    sample: Sample, seed: np.random.SeedSequence, num_batches: int, per_batch: int
) -> Iterator["Episodes"]:
    """Batches of complete episodes, sampled some at a time."""
    while num_batches > 0:
        episodes = sample(*seed.spawn(1))
        begins = range(0, len(episodes.valid), per_batch)[:num_batches]
        for begin in begins:
            yield type(episodes)(*(values[begin : begin + per_batch] for values in episodes))
        num_batches -= len(begins)


def _noise(task: Task, probes: Sequence["Probe"]) -> Iterator[dict[str, float | int]]:
    """A row for each baseline: means over the runs' policies."""
    per_batch = episodes_per_batch(task.params.train)
    measured = measure_noise(
        np.stack([probe.gram for probe in probes], axis=1),
        num_resamples=NUM_RESAMPLES,
        confidence=CONFIDENCE,
        generator=np.random.default_rng(SEED),
    )
    explained = np.mean([probe.explained_variance for probe in probes], axis=0)
    for noise, explained_variance in zip(measured, explained, strict=True):
        estimates = noise._asdict()
        batches = estimates.pop("num_batches_for_1")
        estimates["num_episodes_for_1"] = Estimate(*(per_batch * number for number in batches))
        yield {
            "num_runs": len(probes),
            "num_batches": probes[0].gram.shape[-1],
            "num_episodes": per_batch,
            "explained_variance": explained_variance,
            **{
                name + end: np.float64(number)
                for name, estimate in estimates.items()
                for end, number in zip(("", "_low", "_high"), estimate, strict=True)
            },
        }


def describe(table: Table) -> str:
    """The table in the terminal: estimates with their intervals, a line for each row."""
    columns: dict[str, Callable[[int], str]] = {
        "policy": lambda row: str(table["policy"][row]),
        "baseline": lambda row: str(table["baseline"][row]),
        "explained": lambda row: _percent(table["explained_variance"][row]),
        "norm of mean gradient": lambda row: _interval(table, row, "squared_norm", _root),
        "total variance": lambda row: _interval(table, row, "total_variance"),
        "relative to none": lambda row: _interval(table, row, "relative_variance"),
        "signal-to-noise": lambda row: _interval(table, row, "signal_to_noise"),
        "episodes for 1": lambda row: _interval(table, row, "num_episodes_for_1"),
    }
    rows = range(len(table["policy"]))
    cells = [[title, *map(text, rows)] for title, text in columns.items()]
    widths = [max(map(len, column)) for column in cells]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*cells, strict=True)
    )


def _interval(table: Table, row: int, name: str, function: Callable[[float], float] = float) -> str:
    value, low, high = (_number(function(table[name + end][row])) for end in ("", "_low", "_high"))
    return value if value == "–" else f"{value} [{low}, {high}]"


def _root(square: float) -> float:
    """Of a squared norm, whose unbiased estimate may be below 0."""
    return float(np.sqrt(max(square, 0.0)))


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0%}"


def _number(value: float) -> str:
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


if __name__ == "__main__":
    run_stage(variance)
