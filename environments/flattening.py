"""Flattening of observations to vectors."""

from typing import Any

import numpy as np
from gymnasium import spaces

from environments.faults import CopyFault, EnvironmentFault, require_numbers


def flatten(space: spaces.Space[Any], observation: Any) -> np.ndarray:
    """Flatten an observation by `gymnasium.spaces.flatten`, after checking it.

    Without the check, invalid observations also become vectors of the right size. That function
    reads -1 as the last value of a Discrete space, accepts a transposed matrix, and truncates 0.9
    to the integer 0.

    Args:
        space: A Box, Discrete, MultiDiscrete or MultiBinary, or a Dict or Tuple of these.
        observation: The observation that the environment returned.

    Returns:
        The vector, `[O]`.

    Raises:
        EnvironmentFault: If a part is missing, has another shape or is not a value of its space.
            The bounds of a Box of floats are not checked, since many environments exceed them.
    """
    try:
        _require_value(space, observation, "the observation")
    except CopyFault as fault:
        raise EnvironmentFault(str(fault)) from fault
    return np.asarray(spaces.flatten(space, observation))


def _require_value(space: spaces.Space[Any], value: Any, name: str) -> None:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space if isinstance(space, spaces.Dict) else dict(enumerate(space.spaces))
        for key, part in parts.items():
            try:
                part_value = value[key]
            except (LookupError, TypeError) as error:
                raise CopyFault(f"expected the part {key!r} in {name}, found none", None) from error
            _require_value(part, part_value, f"{name}'s part {key!r}")
        return
    numbers = require_numbers(name, value, space.shape or (), None)
    fits: Any  # bool, or a bool for each number
    if isinstance(space, spaces.Discrete):
        number = numbers.item()
        fits = not isinstance(number, float) and 0 <= number - space.start < space.n
    elif isinstance(space, spaces.MultiDiscrete):
        indices = numbers - space.start
        fits = (numbers.dtype.kind != "f") & (indices >= 0) & (indices < space.nvec)
    elif numbers.dtype == space.dtype or np.issubdtype(space.dtype, np.floating):
        return
    else:
        with np.errstate(invalid="ignore"):  # NaN
            fits = numbers.astype(space.dtype) == numbers
    if not np.all(fits):
        raise CopyFault(f"expected a value of {space} as {name}, received {numbers}", None)
