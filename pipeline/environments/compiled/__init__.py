"""Environments written in TensorFlow, and which of Gymnasium's ids they stand for.

An id is registered with the place of its class, which is imported when it is made: asking whether
there is a compiled version does not start TensorFlow.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from gymnasium import spaces

from pipeline.environments.specification import EnvironmentSpecification

if TYPE_CHECKING:
    from pipeline.environments.compiled.contract import CompiledEnvironment


class _Entry(NamedTuple):
    """A compiled environment that can be made."""

    entry_point: str  # module:Class
    kwargs: frozenset[str]  # the names of the keyword arguments that it knows


_registry: dict[str, _Entry] = {}  # by Gymnasium's id, without a module


def register(env_id: str, entry_point: str, kwargs: Iterable[str] = ()) -> None:
    """Makes a compiled version of a Gymnasium environment known.

    Args:
        env_id: The id under which Gymnasium knows the environment, without a module.
        entry_point: `module:Class`, the `CompiledEnvironment`. The class takes `max_episode_steps`
            and the environment's keyword arguments. The module is imported when one is made.
        kwargs: Names of the environment's keyword arguments that the class takes. A task that has
            others runs in Gymnasium. Defaults to none.

    Raises:
        ValueError: If `entry_point` is not of this form, `env_id` names a module, or another entry
            point is registered for it.
    """
    if len(entry_point.split(":")) != 2 or not all(entry_point.split(":")):
        raise ValueError(
            "Received an invalid value for `entry_point`, expected `module:Class`. "
            f"Received: entry_point={entry_point!r}"
        )
    if ":" in env_id:
        raise ValueError(
            "Received an invalid value for `env_id`, expected the id as Gymnasium registers it, "
            f"without a module. Received: env_id={env_id!r}"
        )
    entry = _Entry(entry_point, frozenset(kwargs))
    if _registry.setdefault(env_id, entry) != entry:
        raise ValueError(
            f"A compiled {env_id} is registered already: {_registry[env_id]}. Received: {entry}"
        )


def why_not_compiled(env_id: str, kwargs: Mapping[str, Any]) -> str | None:
    """Why an environment cannot be compiled; None if it can.

    Args:
        env_id: A Gymnasium id. The module of `module:Id` must have been imported, as
            `inspect_environment` does, since it may register a compiled version.
        kwargs: The environment's keyword arguments.

    Returns:
        The reason, as in "no compiled FrozenLake-v1" or "no compiled CartPole-v1 with the keyword
        argument g".
    """
    name = _without_module(env_id)
    if name not in _registry:
        return f"no compiled {name}"
    if unknown := [kwarg for kwarg in kwargs if kwarg not in _registry[name].kwargs]:
        return f"no compiled {name} with the keyword argument {unknown[0]}"
    return None


def make_compiled(specification: EnvironmentSpecification) -> "CompiledEnvironment":
    """Makes the compiled version of an environment.

    Args:
        specification: The environment, as `inspect_environment` found it in Gymnasium. Its time
            limit is that of the compiled one.

    Raises:
        ValueError: If there is no compiled version, or one of other spaces than Gymnasium's.
    """
    if reason := why_not_compiled(specification.id, specification.kwargs):
        raise ValueError(f"Expected an environment that can be compiled. Received: {reason}")
    name = _without_module(specification.id)
    make = pkgutil.resolve_name(_registry[name].entry_point)
    environment: CompiledEnvironment = make(
        max_episode_steps=specification.max_episode_steps, **specification.kwargs
    )
    flat = spaces.flatten_space(specification.observation_space)
    for field, expected in [
        ("observation_space", flat),
        ("action_space", specification.action_space),
    ]:
        received = getattr(environment, field)
        if received != expected:
            raise ValueError(
                f"Expected compiled {name} to have Gymnasium's `{field}`"
                f"{', flattened' if expected is flat else ''}: {expected}. Received: {received}"
            )
    return environment


def _without_module(env_id: str) -> str:
    """`Id` of `Id` or `module:Id`."""
    return env_id.rpartition(":")[2]


_HERE = "pipeline.environments.compiled"
register("Acrobot-v1", f"{_HERE}.acrobot:CompiledAcrobot")
register("Bandit-v0", f"{_HERE}.bandit:CompiledBandit", ["probabilities", "payouts"])
register("CartPole-v1", f"{_HERE}.cartpole:CompiledCartPole", ["sutton_barto_reward"])
register(
    "InvertedPendulum-v5",
    f"{_HERE}.inverted_pendulum:CompiledInvertedPendulum",
    ["frame_skip", "reset_noise_scale"],
)
register("MountainCar-v0", f"{_HERE}.mountain_car:CompiledMountainCar", ["goal_velocity"])
register(
    "MountainCarContinuous-v0",
    f"{_HERE}.mountain_car:CompiledMountainCarContinuous",
    ["goal_velocity"],
)
register("Pendulum-v1", f"{_HERE}.pendulum:CompiledPendulum", ["g"])
