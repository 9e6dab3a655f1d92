"""The gradient noise with each baseline: sample batches of episodes, and tabulate estimates.

The gradients are raw: the task's advantage normalization, bootstrapping, gradient clipping and
entropy bonus are not used. Rewards and discount are the task's. All baselines are unbiased, so E ĝ
is the same with each; the signal-to-noise ratios take its norm from the least noisy baseline.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from pipeline.build.learners import make_learner, make_value_baseline
from pipeline.build.policies import make_policy, read_weights, set_weights
from pipeline.build.samplers import make_sampler
from pipeline.figures.style import png
from pipeline.figures.variance import draw_variance
from pipeline.progress_bar import ProgressBar
from pipeline.statistics import CONFIDENCE, NUM_RESAMPLES, SEED
from pipeline.task.artifacts import Table
from pipeline.task.schema import TrainParams
from pipeline.task.seeds import Purpose
from pipeline.task.task import Task
from reinforce.episodes import Episodes
from reinforce.noise.compare import COMPARED, Probe, compile_comparison, probe
from reinforce.noise.estimate import Estimate, measure_noise
from reinforce.sampling.protocol import Sampler
from reinforce.signature import episodes_signature
from reinforce.value import compile_fit

MIN_EPISODES_PER_CALL = 16  # sampled in parallel
# The baseline `value` is fitted to separate episodes of the same policy. Sampling stops at 10,000
# env steps, after 32 calls, or at twice the number of episodes that a run trains on, whichever
# comes first. The optimizer then takes 600 steps with minibatches of 256 env steps.
MIN_FIT_ENV_STEPS = 10_000
MAX_FIT_CALLS = 32
FIT_MINIBATCHES, FIT_MINIBATCH_SIZE = 600, 256


def measure(task: Task, num_runs: int, num_batches: int, bar: ProgressBar) -> tuple[Table, bytes]:
    """Measure the gradient noise of the first runs, before and after training.

    Returns:
        A row for each policy and baseline, and the picture of the table, a PNG.
    """
    rows = [
        {"policy": policy, "baseline": baseline, **row}
        for policy, probes in _probe_policies(task, num_runs, num_batches, bar)
        for baseline, row in zip(COMPARED, _noise(task, probes), strict=True)
    ]
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return table, png(draw_variance(table, task.name))


def _probe_policies(
    task: Task, num_runs: int, num_batches: int, bar: ProgressBar
) -> Iterator[tuple[str, list[Probe]]]:
    """Yield the names `initial` and `trained`, each with a probe of the policies of `num_runs`."""
    params = task.params
    policy = make_policy(params.policy, task.specification)
    time_limited = params.train.model_copy(update={"bootstrap_truncated": False})
    learner = make_learner(time_limited, policy, eager=True)
    one_step = params.train.value.model_copy(update={"steps_per_update": 1})
    value = make_value_baseline(one_step, policy, eager=True)
    compare = compile_comparison(learner, value)
    returns = tf.function(learner.returns, input_signature=[episodes_signature(policy)])
    fit = compile_fit(value, FIT_MINIBATCHES, FIT_MINIBATCH_SIZE)
    per_batch = episodes_per_batch(params.train)
    per_call = -(-MIN_EPISODES_PER_CALL // per_batch) * per_batch
    num_fit_calls = MAX_FIT_CALLS
    if params.train.num_episodes is not None:
        num_fit_calls = min(num_fit_calls, math.ceil(2 * params.train.num_episodes / per_call))

    with make_sampler(task, policy, per_call) as sampler:
        for name, path, update in [
            ("initial", task.files.initial_weights, 0),
            ("trained", task.files.final_weights, params.train.num_updates or 1),
        ]:
            weights = read_weights(path, policy, params.num_runs)
            probes = []
            for run in range(num_runs):
                seeds = task.stream(Purpose.VARIANCE, run, update).spawn(4)
                set_weights(policy, weights, run)
                value.reset(seeds[0])
                with task.locate_faults(run):
                    data = _fit_data(returns, sampler, seeds[1].spawn(num_fit_calls))
                fit(*data, np.random.default_rng(seeds[2]))
                batches = _batches(sampler, seeds[3], num_batches, per_batch)
                with task.locate_faults(run):
                    probes.append(probe(compare, batches))
                bar.count += 1
                bar.text = f"measured the {name} policy of run {run} (of {num_runs})"
            yield name, probes


def episodes_per_batch(params: TrainParams) -> int:
    """Return the episodes per batch: an update's, but at least 2, as `leave_one_out` needs."""
    return max(params.episodes_per_update, 2)


def _fit_data(
    returns_of: Callable[[Episodes], tf.Tensor],
    sampler: Sampler,
    seeds: Sequence[np.random.SeedSequence],
) -> tuple[np.ndarray, np.ndarray]:
    """Sample observations `[N, O]` and returns `[N]`: all steps of complete episodes.

    There is a seed for each call. Calls stop once there are `MIN_FIT_ENV_STEPS` steps.
    """
    observations, returns, num_steps = [], [], 0
    for of_call in seeds:
        episodes = sampler.sample(of_call)
        observations.append(episodes.observations[episodes.valid])
        returns.append(returns_of(episodes).numpy()[episodes.valid])
        num_steps += len(returns[-1])
        if num_steps >= MIN_FIT_ENV_STEPS:
            break
    return np.concatenate(observations), np.concatenate(returns)


def _batches(
    sampler: Sampler, seed: np.random.SeedSequence, num_batches: int, per_batch: int
) -> Iterator[Episodes]:
    """Yield batches of complete episodes; a call of the sampler gives several."""
    while num_batches > 0:
        episodes = sampler.sample(*seed.spawn(1))
        begins = range(0, len(episodes.valid), per_batch)[:num_batches]
        for begin in begins:
            yield Episodes(*(values[begin : begin + per_batch] for values in episodes))
        num_batches -= len(begins)


def _noise(task: Task, probes: Sequence[Probe]) -> Iterator[dict[str, float | int]]:
    """Yield a row for each baseline, with means over the runs' policies."""
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
