"""The exported policy that `play` acts with, loaded in this process or in a subprocess."""

import functools
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.process.start import start_tensorflow
from pipeline.task.errors import UserError

# Observations [E, I] float32, stateless seed [2] int32 → actions [E, *action_shape].
Choose = Callable[[np.ndarray, np.ndarray], np.ndarray]


class ExportedPolicy(NamedTuple):
    """A SavedModel, its way of acting, and the environment that it must fit."""

    folder: Path
    trusted: bool  # whether its graph may contain any operation
    sampled: bool  # else greedy
    env_id: str
    observation_size: int
    mask_size: int
    action_shape: tuple[int, ...]


@functools.lru_cache(maxsize=1)
def load(policy: ExportedPolicy) -> Choose:
    """Start TensorFlow and load the policy.

    Raises:
        UserError: If the SavedModel is missing or damaged, has operations that no policy needs, or
            does not fit the environment.
    """
    start_tensorflow()  # only here, because a process that renders must not import TensorFlow
    from pipeline.evaluation import exported

    signatures = exported.load_signatures(policy.folder, trusted=policy.trusted)
    name = "sample" if policy.sampled else "serving_default"
    _require_fit(policy, signatures, name)
    if policy.sampled:
        sampled = exported.Sampled(signatures)
        return lambda observations, seed: sampled.sample(observations, seed).action
    greedy = exported.Greedy(signatures)
    return lambda observations, _: greedy.act(observations).action


@contextmanager
def load_in_subprocess(policy: ExportedPolicy) -> Iterator[Choose]:
    """Load the policy in a subprocess, which ends with the context.

    Use it when the environment renders: TensorFlow and Mesa's OpenGL drivers both contain LLVM, and
    both in one process cause a segmentation fault.
    """
    with ProcessPoolExecutor(
        max_workers=1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=signal.signal,  # Ctrl-C reaches both processes; the parent handles it
        initargs=(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        try:
            process.submit(_ensure_loaded, policy).result()
        except BrokenExecutor as error:
            raise UserError(f"{policy.folder}: the process that loads the policy died") from error
        yield lambda observations, seed: process.submit(
            _choose, policy, observations, seed
        ).result()


def _ensure_loaded(policy: ExportedPolicy) -> None:
    load(policy)


def _choose(policy: ExportedPolicy, observations: np.ndarray, seed: np.ndarray) -> np.ndarray:
    return load(policy)(observations, seed)


def _require_fit(policy: ExportedPolicy, signatures: Mapping[str, Any], name: str) -> None:
    inputs, outputs = {}, {}
    if name in signatures:
        inputs = signatures[name].structured_input_signature[1]
        outputs = signatures[name].structured_outputs
    needed = ["observation"] + ["action_mask"] * bool(policy.mask_size)
    received_inputs = [key for key in ("observation", "action_mask") if key in inputs]
    if received_inputs != needed or "action" not in outputs:
        received = ", ".join(sorted(signatures)) or "no signatures"
        if name in signatures:
            received = f"a signature {name} from {', '.join(inputs)} to {', '.join(outputs)}"
        raise UserError(
            f"{policy.folder}: expected a policy's SavedModel, with a signature {name} from "
            f"{' and '.join(needed)} to action, received one with {received}"
        )
    fits = [
        ("observations", inputs["observation"].shape, (policy.observation_size,)),
        ("actions", outputs["action"].shape, policy.action_shape),
    ]
    if policy.mask_size:
        fits.append(("action masks", inputs["action_mask"].shape, (policy.mask_size,)))
    for noun, received, expected in fits:
        if not received.is_compatible_with((1, *expected)):
            raise UserError(
                f"{policy.folder}: expected a policy for {noun} of shape {list(expected)} "
                f"({policy.env_id}), received one for {noun} of shape {received.as_list()[1:]}"
            )
