"""The registry of compiled environments, by Gymnasium id.

Each id is registered with an entry point, which is imported only when the environment is made. So
a query for a compiled version does not import TensorFlow.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class _Entry(NamedTuple):
    """A registered compiled environment."""

    entry_point: str  # module:Class
    kwargs: frozenset[str]  # names of the keyword arguments that it supports
    action_mask: str | None  # name of the mask that it computes, if any


_registry: dict[str, _Entry] = {}  # by Gymnasium id, without a module


def register(
    env_id: str, entry_point: str, kwargs: Iterable[str] = (), action_mask: str | None = None
) -> None:
    """Register a compiled version of a Gymnasium environment.

    Args:
        env_id: The environment's Gymnasium id, without a module.
        entry_point: `module:Class`, a `CompiledEnvironment`. The class takes `max_episode_steps`
            and the environment's keyword arguments.
        kwargs: Names of the environment's keyword arguments that the class supports. A task with
            any other keyword argument runs in Gymnasium. Defaults to none.
        action_mask: Name of the mask that the class's method `action_mask` computes. A task with
            any other mask runs in Gymnasium. Defaults to none.

    Raises:
        ValueError: If `entry_point` does not have this form, `env_id` contains a module, or the id
            is already registered differently.
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
    entry = _Entry(entry_point, frozenset(kwargs), action_mask)
    if _registry.setdefault(env_id, entry) != entry:
        raise ValueError(
            f"A compiled {env_id} is already registered: {_registry[env_id]}. Received: {entry}"
        )


def reason_not_compiled(
    env_id: str, kwargs: Mapping[str, Any], action_mask: str | None = None
) -> str | None:
    """Return the reason why an environment cannot be compiled; None if it can.

    Args:
        env_id: A Gymnasium id. The module in `module:Id` may register a compiled version, so it
            must have been imported, for instance by `inspect_environment`.
        kwargs: The environment's keyword arguments.
        action_mask: The name of the mask of legal actions. Defaults to none.

    Returns:
        The reason, such as "no compiled FrozenLake-v1" or "no compiled CartPole-v1 with the keyword
        argument g".
    """
    name = _without_module(env_id)
    if name not in _registry:
        return f"no compiled {name}"
    if unknown := [kwarg for kwarg in kwargs if kwarg not in _registry[name].kwargs]:
        return f"no compiled {name} with the keyword argument {unknown[0]}"
    if action_mask not in (None, _registry[name].action_mask):
        return f"no compiled {name} with the action mask {action_mask!r}"
    return None


def entry_point_of(env_id: str) -> str:
    """Return the entry point, `module:Class`, for a registered Gymnasium id."""
    return _registry[_without_module(env_id)].entry_point


def _without_module(env_id: str) -> str:
    """Return `Id` from `Id` or `module:Id`."""
    return env_id.rpartition(":")[2]


register("Acrobot-v1", "environments.compiled.acrobot:CompiledAcrobot")
register("Bandit-v0", "environments.compiled.bandit:CompiledBandit", ["probabilities", "payouts"])
register("CartPole-v1", "environments.compiled.cartpole:CompiledCartPole", ["sutton_barto_reward"])
register(
    "InvertedPendulum-v5",
    "environments.compiled.inverted_pendulum:CompiledInvertedPendulum",
    ["frame_skip", "reset_noise_scale"],
)
register(
    "MountainCar-v0", "environments.compiled.mountain_car:CompiledMountainCar", ["goal_velocity"]
)
register(
    "MountainCarContinuous-v0",
    "environments.compiled.mountain_car:CompiledMountainCarContinuous",
    ["goal_velocity"],
)
register("Pendulum-v1", "environments.compiled.pendulum:CompiledPendulum", ["g"])
