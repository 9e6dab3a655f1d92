"""Action heads: from a network's outputs to a distribution over actions, and to actions.

A head defines how the outputs of a policy network parametrize a TensorFlow Probability
distribution, how actions are sampled from it, and how they are converted for the environment. Every
head implements the protocol `ActionHead`, where its methods are documented. In the shapes, `…`
stands for any leading dimensions.
"""

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from models.heads.bernoulli import BernoulliHead
from models.heads.categorical import CategoricalHead, MultiCategoricalHead, mask_logits
from models.heads.normal import AppendLogStandardDeviation, NormalHead
from models.heads.protocol import ActionHead
from models.heads.squashed import SquashedNormalHead

__all__ = [
    "ActionHead",
    "AppendLogStandardDeviation",
    "BernoulliHead",
    "CategoricalHead",
    "MultiCategoricalHead",
    "NormalHead",
    "SquashedNormalHead",
    "make_head",
    "mask_logits",
]


def make_head(
    space: spaces.Space,
    *,
    state_dependent: bool = False,
    initial_standard_deviation: float = 1.0,
    squash: bool = False,
    masked: bool = False,
) -> ActionHead:
    """Create the head for an action space.

    Args:
        space: A Discrete, MultiDiscrete or MultiBinary space, or a Box of floats.
        state_dependent: Whether the standard deviations depend on the state. Ignored unless the
            space is a Box. Defaults to False.
        initial_standard_deviation: In units of the action, before it is clipped or squashed.
            Ignored unless the space is a Box. Defaults to 1.
        squash: Whether actions are squashed into the bounds instead of clipped. Ignored unless the
            space is a Box. Defaults to False.
        masked: Whether the environment reports which actions are legal. Ignored unless the space
            is Discrete or MultiDiscrete. Defaults to False.

    Raises:
        TypeError: If the space is of any other type, including a Box of integers.
        ValueError: If `squash` is set and a component of the Box has zero width.
    """
    if isinstance(space, spaces.Discrete):
        return CategoricalHead(int(space.n), int(space.start), tf.as_dtype(space.dtype), masked)
    if isinstance(space, spaces.MultiDiscrete):
        return MultiCategoricalHead(
            num_values=space.nvec.astype(np.int64),
            start=space.start.astype(np.int64),
            environment_dtype=tf.as_dtype(space.dtype),
            masked=masked,
        )
    if isinstance(space, spaces.MultiBinary):
        return BernoulliHead(space.shape, tf.as_dtype(space.dtype))
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        normal = NormalHead(space.low, space.high, state_dependent, initial_standard_deviation)
        return SquashedNormalHead(normal) if squash else normal
    raise TypeError(
        "Expected a Discrete, MultiDiscrete or MultiBinary action space, or a Box of floats (not "
        f"of integers). Received: {space}"
    )
