"""Action heads: from the network's outputs to a distribution over actions, and to actions.

A head says how the outputs of a policy network parametrise a TensorFlow Probability distribution,
how actions are drawn from it, and what the environment is given. Every head has the same methods,
those of `ActionHead`. In the shapes, `…` stands for any leading dimensions.
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
    squash: bool = False,
    masked: bool = False,
) -> ActionHead:
    """The head for an action space.

    Args:
        space: A Discrete, MultiDiscrete or MultiBinary space, or a Box of floats.
        state_dependent: Whether the standard deviations of a Box's actions depend on the state.
            Only a Box looks at it. Defaults to False.
        squash: Whether a Box's actions are squashed into its bounds, not clipped. Only a Box looks
            at it. Defaults to False.
        masked: Whether the environment says which actions are legal. Only a Discrete or
            MultiDiscrete looks at it. Defaults to False.

    Raises:
        TypeError: For any other space, a Box of integers included.
        ValueError: If a Box without width in some component is to be squashed to.
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
        normal = NormalHead(space.low, space.high, state_dependent)
        return SquashedNormalHead(normal) if squash else normal
    raise TypeError(
        "Expected a Discrete, MultiDiscrete or MultiBinary action space, or a Box of floats (not "
        f"of integers). Received: {space}"
    )
