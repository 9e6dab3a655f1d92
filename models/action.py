"""What a policy answers."""

from typing import Any, NamedTuple


class Action(NamedTuple):
    """Sampled actions of a batch of E states."""

    action: Any  # [E, *action_shape], as the environment takes it
    raw_action: Any  # [E, *action_shape], as it was sampled: before clipping to the bounds
    outputs: Any  # [E, P] of the network, of which `raw_action` was drawn
