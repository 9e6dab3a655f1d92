"""Making a compiled environment in the place of a Gymnasium environment."""

import pkgutil

from gymnasium import spaces

from environments.compiled.masked import MaskedEnvironment
from environments.compiled.registry import entry_point_of, reason_not_compiled
from environments.protocol import CompiledEnvironment, MaskingEnvironment
from environments.specification import EnvironmentSpecification


def make_compiled(specification: EnvironmentSpecification) -> CompiledEnvironment:
    """Make the compiled version of an environment.

    Args:
        specification: The environment, as `inspect_environment` found it in Gymnasium. Its time
            limit is that of the compiled one. Where it has a mask of legal actions, the compiled
            one observes that behind the observation, as `MaskedObservations` does.

    Raises:
        ValueError: If there is no compiled version, or one of other spaces than Gymnasium's.
    """
    mask = specification.action_mask
    if reason := reason_not_compiled(specification.id, specification.kwargs, mask and mask.name):
        raise ValueError(f"Expected an environment that can be compiled. Received: {reason}")
    make = pkgutil.resolve_name(entry_point_of(specification.id))
    environment: MaskingEnvironment = make(  # if it has masks
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
