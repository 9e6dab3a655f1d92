"""The protocol of an environment that is compiled into one program with the policy and its update.

E is the number of copies that are stepped together, O the size of an observation.
"""

from typing import Any, Protocol

import tensorflow as tf
from gymnasium import spaces

from environments.specification import ActionSpace

State = Any  # a tensor [E, …] or any nest of them, best a NamedTuple


class CompiledEnvironment(Protocol):
    """E copies of an environment as functions of tensors, for XLA to compile.

    An object holds constants and nothing that changes: what changes is the state, which its
    functions take and return. They are traced once, so they may hold nothing but TensorFlow's
    operations on tensors of fixed shapes: no NumPy, no printing, no assertion.

    All randomness comes from the seed of `reset`. What a step needs of it is part of the state, so
    that a step is a function of the state and the actions.

    The time limit is the caller's: it counts steps. To a copy whose episode has ended it gives
    another of the initial states that it drew, so that copies come from different times: a step
    treats each by itself, however many there are. When no episode is left a copy is stepped on;
    what it gives is ignored, but it must be finite.
    """

    @property
    def observation_space(self) -> spaces.Box:
        """Of rank 1, as the policy sees it: Gymnasium's, flattened."""
        ...

    @property
    def action_space(self) -> ActionSpace:
        """Gymnasium's."""
        ...

    @property
    def max_episode_steps(self) -> int:
        """The time limit, which the caller keeps."""
        ...

    def reset(self, num_envs: int, seed: tf.Tensor) -> State:
        """Draw initial states.

        Args:
            num_envs: E.
            seed: [2] int32, for TensorFlow's stateless random operations. The same one gives the
                same states, though XLA draws other numbers from it than eager execution does.

        Returns:
            Independent initial states, tensors [E, …].
        """
        ...

    def observe(self, state: State) -> tf.Tensor:
        """Compute what the policy sees of a state.

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
            actions: [E, *action_shape] in the action space's dtype, of the action space.

        Returns:
            The next state, of the same structure, shapes and dtypes; rewards [E] float32; and
            whether the next state is terminal [E] bool.
        """
        ...


class MaskingEnvironment(CompiledEnvironment, Protocol):
    """A compiled environment that also says which actions are legal.

    Illegal ones are never chosen in an episode. A copy that has no episode left may be given one.
    """

    def action_mask(self, state: State) -> tf.Tensor:
        """Compute the mask of legal actions.

        Args:
            state: Tensors [E, …].

        Returns:
            [E, A] bool, True where an action is legal: one entry for each action of a Discrete
            space, or for each value of each component of a MultiDiscrete one, component after
            component. Where an episode goes on, at least one of them is.
        """
        ...
