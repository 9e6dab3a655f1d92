"""The files of stage `rollout`: initial policies and their episodes, verified when read."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.policy import Policy
from pipeline.build.policies import read_weights, set_weights
from pipeline.digests import weights_digest
from pipeline.task.artifacts import Weights, read_arrays, stale_file, write_arrays
from pipeline.task.files import TaskFiles
from reinforce.episodes import Episodes
from reinforce.signature import episodes_signature

LOG_PROB_TOLERANCE = 1e-5  # absolute and relative, between sampling and recomputing
DIGESTS = "weights_sha256"  # the array with the digest of each run's weights


class Rollouts(NamedTuple):
    """The output of stage `rollout` and the input of stage `train`."""

    weights: Weights  # the initial policies, [R, …]
    episodes: list[Episodes]  # R batches, sampled by these policies


def write_rollouts(files: TaskFiles, rollouts: Rollouts) -> None:
    """Write the initial policies and their episodes, with the digests of the weights."""
    runs = range(len(rollouts.episodes))
    digests = np.array([weights_digest(rollouts.weights, run) for run in runs])
    write_arrays(files.initial_weights, rollouts.weights)
    write_arrays(files.rollouts, _stack(rollouts.episodes)._asdict() | {DIGESTS: digests})


def _stack(runs: Sequence[Episodes]) -> Episodes:
    """Stack R batches of B episodes: every field `[R, B, T, …]`, padded to the longest of all."""
    num_steps = max(episodes.valid.shape[1] for episodes in runs)

    def stack(field: Sequence[np.ndarray]) -> np.ndarray:
        num_episodes, _, *shape = field[0].shape
        stacked = np.zeros((len(runs), num_episodes, num_steps, *shape), field[0].dtype)
        for run, values in enumerate(field):  # a single copy, since it may take gigabytes
            stacked[run, :, : values.shape[1]] = values
        return stacked

    *of_steps, final_observations = zip(*runs, strict=True)
    return Episodes._make([*map(stack, of_steps), np.stack(final_observations)])


def read_rollouts(
    files: TaskFiles, policy: Policy, num_runs: int, num_episodes: int, max_episode_steps: int
) -> Rollouts:
    """Read the initial policies and their episodes, and verify that the episodes are on-policy.

    REINFORCE may learn only from episodes that its current policy sampled. So each run's episodes
    must carry the digest of its weights, and their log-probabilities must match recomputed ones.

    Args:
        files: The files of the task.
        policy: A policy with the task's network; its weights are overwritten.
        num_runs: R, the expected number of runs.
        num_episodes: The minimum number of episodes per run.
        max_episode_steps: The maximum length of an episode.

    Raises:
        UserError: If a file is missing or damaged, if weights or episodes do not match the task's
            parameters, or if the weights did not sample the episodes.
    """
    weights = read_weights(files.initial_weights, policy, num_runs)
    arrays = read_arrays(files.rollouts)
    digests = [weights_digest(weights, run) for run in range(num_runs)]
    if list(arrays.pop(DIGESTS, [])) != digests:
        raise stale_file(
            files.rollouts,
            f"episodes sampled by the policies in {files.initial_weights}",
            "episodes with the digests of other weights",
        )
    if set(arrays) != set(Episodes._fields):
        raise stale_file(files.rollouts, f"arrays {Episodes._fields}", str(tuple(arrays)))
    stacked = Episodes(**arrays)
    if stacked.valid.ndim != 3:
        raise stale_file(files.rollouts, "valid of rank 3", f"rank {stacked.valid.ndim}")
    if stacked.valid.shape[1] < num_episodes or stacked.valid.shape[2] > max_episode_steps:
        raise stale_file(
            files.rollouts,
            f"at least {num_episodes} episodes of at most {max_episode_steps} steps",
            f"{stacked.valid.shape[1]} of at most {stacked.valid.shape[2]}",
        )
    _check_arrays(files, policy, stacked, num_runs)
    episodes = [Episodes(*(field[run] for field in stacked)) for run in range(num_runs)]
    for run in range(num_runs):
        set_weights(policy, weights, run)
        _check_log_probs(files, policy, episodes[run], run)
    return Rollouts(weights, episodes)


def _check_arrays(files: TaskFiles, policy: Policy, stacked: Episodes, num_runs: int) -> None:
    """Raise UserError unless the arrays, `[R, B, T, …]`, contain complete episodes."""
    num_episodes, num_steps = stacked.valid.shape[1:]
    signature = episodes_signature(policy, num_episodes, num_steps)
    for name, values, spec in zip(Episodes._fields, stacked, signature, strict=True):
        expected = (spec.dtype.as_numpy_dtype, (num_runs, *spec.shape))
        if (values.dtype, values.shape) != expected:
            dtype, shape = np.dtype(expected[0]), expected[1]
            received = f"{values.dtype} of shape {values.shape}"
            raise stale_file(files.rollouts, f"{name} of {dtype} of shape {shape}", received)
        # An environment may end an episode with NaN, since no action follows.
        must_be_finite = values.dtype.kind == "f" and name != "final_observations"
        if must_be_finite and not np.isfinite(values).all():
            raise stale_file(files.rollouts, f"finite {name}", "NaN or infinity")
    ends = stacked.terminated | stacked.truncated  # [R, B, T]
    last = stacked.valid & ~np.pad(stacked.valid[..., 1:], [(0, 0), (0, 0), (0, 1)])
    if not (stacked.valid[..., 0].all() and (ends == last).all() and (last.sum(-1) == 1).all()):
        expected_text = "complete episodes, each from its first step to an end"
        raise stale_file(files.rollouts, expected_text, "incomplete ones")


def _check_log_probs(files: TaskFiles, policy: Policy, episodes: Episodes, run: int) -> None:
    """Raise UserError unless `policy` reproduces the log-probabilities of the episodes."""
    steps = episodes.map_steps(lambda values: values[episodes.valid])  # [N, …]
    outputs = policy.outputs(steps.observations)
    log_probs = policy.head.log_prob(outputs, steps.actions).numpy()
    difference = np.abs(log_probs - steps.log_probs)
    if not np.all(difference <= LOG_PROB_TOLERANCE * (1 + np.abs(log_probs))):
        raise stale_file(
            files.rollouts,
            f"log-probabilities of the initial policy of run {run} (within {LOG_PROB_TOLERANCE})",
            f"log-probabilities that differ by up to {difference.max():.3g}",
        )
