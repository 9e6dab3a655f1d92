"""The protocol of environments that are compiled together with the policy and its update.

E is the number of copies that are stepped together, O the size of an observation.
"""

from typing import Any, Protocol

import tensorflow as tf
from gymnasium import spaces

from environments.specification import ActionSpace

State = Any  # a tensor [E, …] or any nest of them, best a NamedTuple


class CompiledEnvironment(Protocol):
    """E copies of an environment as functions of tensors, for XLA to compile.

    An instance holds only constants. Everything that changes is in the state, which the functions
    take and return. They are traced once, so they may use only TensorFlow operations on tensors of
    fixed shapes: no NumPy, no printing, no assertions.

    All randomness comes from the seed of `reset`. Random numbers for later steps are part of the
    state, so a step depends only on state and actions.

    The caller enforces the time limit by counting steps. When an episode ends, the caller continues
    that copy from another initial state. Copies are then at different time steps, so `step` must
    treat each independently, whatever their number. When no episodes are left, copies are still
    stepped; their results are ignored but must be finite.
    """

    @property
    def observation_space(self) -> spaces.Box:
        """Gymnasium's observation space, flattened to rank 1, as the policy sees it."""
        ...

    @property
    def action_space(self) -> ActionSpace:
        """Gymnasium's action space."""
        ...

    @property
    def max_episode_steps(self) -> int:
        """The time limit in env steps, enforced by the caller."""
        ...

    def reset(self, num_envs: int, seed: tf.Tensor) -> State:
        """Draw initial states.

        Args:
            num_envs: E.
            seed: [2] int32, for TensorFlow's stateless random operations. The same seed gives the
                same states, except that XLA and eager execution draw different numbers.

        Returns:
            Independent initial states, tensors [E, …].
        """
        ...

    def observe(self, state: State) -> tf.Tensor:
        """Compute observations.

        Args:
            state: Tensors [E, …].

        Returns:
            Observations [E, O] float32.
        """
        ...

    def step(self, state: State, actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Take one env step in every copy.

        Args:
            state: Tensors [E, …].
            actions: [E, *action_shape], values of the action space in its dtype.

        Returns:
            The next state, with the same structure, shapes and dtypes; rewards [E] float32; and
            whether the next state is terminal, [E] bool.
        """
        ...


class MaskingEnvironment(CompiledEnvironment, Protocol):
    """A compiled environment with masks of legal actions.

    Within an episode, only legal actions are chosen. Copies that have no episode may be given
    illegal ones.
    """

    def action_mask(self, state: State) -> tf.Tensor:
        """Compute the mask of legal actions.

        Args:
            state: Tensors [E, …].

        Returns:
            [E, A] bool, True for legal actions: one entry per action of a Discrete space, or one
            per value of each component of a MultiDiscrete space, component after component. At
            least one action is legal, unless the state is terminal.
        """
        ...
