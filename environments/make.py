"""Making a compiled environment in the place of a Gymnasium environment."""

import pkgutil

from gymnasium import spaces

from environments.compiled.registry import entry_point_of, reason_not_compiled
from environments.protocol import CompiledEnvironment
from environments.specification import EnvironmentSpecification


def make_compiled(specification: EnvironmentSpecification) -> CompiledEnvironment:
    """Make the compiled version of an environment.

    Args:
        specification: The environment, as `inspect_environment` found it in Gymnasium. Its time
            limit is that of the compiled one.

    Raises:
        ValueError: If there is no compiled version, or one of other spaces than Gymnasium's.
    """
    if reason := reason_not_compiled(specification.id, specification.kwargs):
        raise ValueError(f"Expected an environment that can be compiled. Received: {reason}")
    make = pkgutil.resolve_name(entry_point_of(specification.id))
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
                f"Expected compiled {specification.id} to have Gymnasium's `{field}`"
                f"{', flattened' if expected is flat else ''}: {expected}. Received: {received}"
            )
    return environment
