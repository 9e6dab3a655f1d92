"""Checking params.yaml completely, including against the environments themselves."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
from gymnasium import spaces

from environments.compiled.registry import reason_not_compiled
from environments.faults import EnvironmentFault
from environments.specification import ActionSpace, inspect_environment
from pipeline.task.errors import UserError
from pipeline.task.mistakes import Mistake, expected
from pipeline.task.overrides import Overrides, is_overridden
from pipeline.task.schema import EnvParams, Params, PolicyParams, TrainParams
from pipeline.task.validation import validate


def check_params(
    path: Path,
    tasks: Iterable[str] | None = None,
    overrides: Overrides = MappingProxyType({}),
) -> Params:
    """Read params.yaml and report all its mistakes at once.

    Args:
        path: The path of params.yaml.
        tasks: The tasks whose environments are made and inspected. Defaults to all.
        overrides: Values that replace those in the file. Defaults to none.

    Raises:
        UserError: If there is any mistake in the file, in one of these environments, or in `tasks`.
            The message has one line per mistake. Mistakes in overrides do not name the file.
    """
    params, environments, policies, trainings, mistakes = validate(path, overrides)
    names = list(environments) if tasks is None else list(tasks)
    if params is not None and (unknown := [name for name in names if name not in params.tasks]):
        known = f"a task of {path}, one of {', '.join(params.tasks)}"
        raise UserError(expected(known, unknown[0], params.tasks))
    for name in names:
        if name in environments:
            mistakes += environment_mistakes(
                name, environments[name], policies.get(name), trainings.get(name)
            )
    if params is None or mistakes:
        lines = [m.line("" if is_overridden(m.location, overrides) else path) for m in mistakes]
        raise UserError("\n".join(lines))
    return params


def environment_mistakes(
    name: str, env: EnvParams, policy: PolicyParams | None, train: TrainParams | None
) -> Iterator[Mistake]:
    """Yield the mistakes in a task's valid sections that its environment shows."""
    try:
        specification = inspect_environment(
            env.id, env.kwargs, env.max_episode_steps, env.action_mask
        )
    except EnvironmentFault as error:
        yield Mistake(("tasks", name, "env"), " ".join(str(error).split()))
        return
    reason = reason_not_compiled(env.id, env.kwargs, env.action_mask)
    if env.backend == "compiled" and reason:
        text = f"auto or gymnasium, since there is {reason}"
        yield Mistake(("tasks", name, "env", "backend"), expected(text, env.backend))
    if policy is not None:
        yield from _policy_mistakes(name, policy, specification.action_space)
    num_steps = specification.max_episode_steps  # per update, if it has one episode
    if train and train.normalize_advantages and train.episodes_per_update == num_steps == 1:
        text = "false, since each update has one step, so its normalized advantage is always 0"
        yield Mistake(("tasks", name, "train", "normalize_advantages"), expected(text, True))


def _policy_mistakes(name: str, policy: PolicyParams, space: ActionSpace) -> Iterator[Mistake]:
    """Yield the settings of a policy that its action space does not support."""
    for field in ("standard_deviation", "initial_standard_deviation", "bounded_actions"):
        received, default = getattr(policy, field), PolicyParams.model_fields[field].default
        location = ("tasks", name, "policy", field)
        if isinstance(space, spaces.Box):
            with np.errstate(over="ignore"):  # too large for float32: ±∞, which means unbounded
                low, high = (bound.astype(np.float32) for bound in (space.low, space.high))
            if received == "squash" and (low >= high).any():
                text = f"clip, since {space} has bounds with no room between them"
                yield Mistake(location, expected(text, received))
        elif received != default:
            text = f"{default}, since only Box actions have a Normal policy, and these are {space}"
            yield Mistake(location, expected(text, received))
