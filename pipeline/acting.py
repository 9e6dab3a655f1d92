"""The policy that `play` asks for actions, in this process or in one of its own."""

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
    """A SavedModel, how it is to act, and the environment that it must fit."""

    folder: Path
    trusted: bool  # whether its graph may hold any operations
    sampled: bool  # or greedy
    env_id: str
    observation_size: int
    mask_size: int
    action_shape: tuple[int, ...]


@functools.lru_cache(maxsize=1)
def load(policy: ExportedPolicy) -> Choose:
    """Starts TensorFlow and loads the policy.

    Raises:
        UserError: If the SavedModel is missing or damaged, holds more than a policy, or does not
            fit the environment.
    """
    start_tensorflow()  # not before: a process that draws must not import TensorFlow
    from pipeline.evaluation import exported

    signatures = exported.load_signatures(policy.folder, trusted=policy.trusted)
    name = "sample" if policy.sampled else "serving_default"
    _require_fit(policy, signatures, name)
    actor = (exported.Sampled if policy.sampled else exported.Greedy)(signatures)
    return lambda observations, seed: actor.act(observations, seed).action


@contextmanager
def load_in_subprocess(policy: ExportedPolicy) -> Iterator[Choose]:
    """Does the same in a process of its own, which ends with the context.

    For environments that draw: LLVM is in TensorFlow and in Mesa's OpenGL drivers, and both in one
    process end in a segmentation fault.
    """
    with ProcessPoolExecutor(
        max_workers=1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=signal.signal,  # Ctrl-C, which reaches both processes, is this one's affair
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
    seen = [place for place in ("observation", "action_mask") if place in inputs]
    if seen != needed or "action" not in outputs:
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
                f"{policy.folder}: expected a policy with {noun} of shape {list(expected)}, as "
                f"{policy.env_id} has them, received one with {noun} of shape "
                f"{received.as_list()[1:]}"
            )
