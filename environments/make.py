"""Creation of a compiled environment for a Gymnasium environment."""

import pkgutil

from gymnasium import spaces

from environments.compiled.masked import MaskedEnvironment
from environments.compiled.registry import entry_point_of, reason_not_compiled
from environments.protocol import CompiledEnvironment, MaskingEnvironment
from environments.specification import EnvironmentSpecification


def make_compiled(specification: EnvironmentSpecification) -> CompiledEnvironment:
    """Make the compiled version of an environment.

    Args:
        specification: The Gymnasium environment, from `inspect_environment`. The compiled version
            gets the same time limit. If there is a mask of legal actions, it follows the
            observation, as in `MaskedObservations`.

    Raises:
        ValueError: If there is no compiled version, or its spaces differ from Gymnasium's.
    """
    mask = specification.action_mask
    if reason := reason_not_compiled(specification.id, specification.kwargs, mask and mask.name):
        raise ValueError(f"Expected an environment with a compiled version. Received: {reason}")
    make = pkgutil.resolve_name(entry_point_of(specification.id))
    environment: MaskingEnvironment = make(  # a plain CompiledEnvironment if there is no mask
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
    if mask is not None:
        return MaskedEnvironment(environment, mask.size)
    return environment
