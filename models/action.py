"""A sampled action. Imports no TFP, because exported policies are used without it."""

from typing import Any, NamedTuple


class Action(NamedTuple):
    """Sampled actions for a batch of E observations."""

    action: Any  # [E, *action_shape], as passed to the environment
    raw_action: Any  # [E, *action_shape], as sampled: before clipping or squashing to the bounds
    outputs: Any  # [E, P], the network's outputs from which `raw_action` was sampled
