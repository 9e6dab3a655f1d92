"""A sampled action; imports nothing, since exported policies are used without TFP."""

from typing import Any, NamedTuple


class Action(NamedTuple):
    """Sampled actions for a batch of E observations."""

    action: Any  # [E, *action_shape], as the environment takes it
    raw_action: Any  # [E, *action_shape], as it was sampled: before clipping to the bounds
    outputs: Any  # [E, P] of the network, of which `raw_action` was drawn
