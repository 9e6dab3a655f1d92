"""The input signature of functions that are compiled for batches of episodes."""

import tensorflow as tf

from models.policy import Policy
from reinforce.episodes import Episodes


def episodes_signature(
    policy: Policy,
    num_episodes: int | None = None,
    num_steps: int | None = None,
    *,
    with_final_observations: bool = True,
) -> Episodes:
    """Specify a batch of a policy's episodes as the input of a compiled function.

    Args:
        policy: Determines the shapes and dtypes of observations and actions.
        num_episodes: B. Defaults to None: any number.
        num_steps: T. Defaults to None: any number.
        with_final_observations: Whether these are recorded. Defaults to True.

    Returns:
        A `tf.TensorSpec` for each field.
    """

    def spec(dtype: tf.DType, *shape: int) -> tf.TensorSpec:
        return tf.TensorSpec([num_episodes, num_steps, *shape], dtype)

    head = policy.head
    return Episodes(
        observations=spec(tf.float32, policy.input_size),
        actions=spec(head.action_dtype, *head.action_shape),
        log_probs=spec(tf.float32),
        rewards=spec(tf.float32),
        terminated=spec(tf.bool),
        truncated=spec(tf.bool),
        valid=spec(tf.bool),
        final_observations=tf.TensorSpec(
            [num_episodes, policy.input_size if with_final_observations else 0], tf.float32
        ),
    )
