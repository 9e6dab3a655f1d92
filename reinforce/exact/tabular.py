"""Problems and policies given by tables.

In the shapes, S is the number of states and A the number of actions. A policy is the table of its
action probabilities, `[S, A]`.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class TabularMDP:
    """A Markov decision process given by its tables. All arrays except `terminal` are float64.

    Raises:
        ValueError: If shapes are inconsistent, probabilities do not sum to 1, or an episode could
            start in a terminal state.
    """

    start: np.ndarray  # [S], probability that an episode starts in each state; 0 if terminal
    transitions: np.ndarray  # [S, A, S], p(s'|s, a); ignored for terminal s
    rewards: np.ndarray  # [S, A, S], r(s, a, s')
    terminal: np.ndarray  # [S] bool, states in which an episode ends
    features: np.ndarray  # [S, …], the policy's input; equal features make states aliased
    horizon: int | None  # time limit in steps; None: there is none

    def __post_init__(self) -> None:
        num_states, num_actions = self.transitions.shape[:2]
        for name, shape in [
            ("start", (num_states,)),
            ("transitions", (num_states, num_actions, num_states)),
            ("rewards", (num_states, num_actions, num_states)),
            ("terminal", (num_states,)),
        ]:
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"Expected `{name}` of shape {shape}. Received: {getattr(self, name).shape}"
                )
        if len(self.features) != num_states:
            raise ValueError(
                f"Expected `features` of {num_states} states. Received: {len(self.features)}"
            )
        for name, table in [
            ("start", self.start),
            ("transitions", self.transitions[~self.terminal]),
        ]:
            if (table < 0).any() or not np.allclose(table.sum(axis=-1), 1, rtol=0, atol=1e-12):
                raise ValueError(
                    f"Expected `{name}` to be probabilities that sum to 1. Received: {table}"
                )
        if self.start[self.terminal].any():
            raise ValueError("Expected `start` to be 0 in terminal states.")

    @property
    def continuing(self) -> np.ndarray:
        """p(s'|s, a), with 0 for terminal s, which no state follows: `[S, A, S]`."""
        return self.transitions * ~self.terminal[:, None, None]


def bandit(
    rewards: np.ndarray, probabilities: np.ndarray, features: np.ndarray | None = None
) -> TabularMDP:
    """Create a bandit: one step, in which the chosen arm determines the reward's distribution.

    Args:
        rewards: `[K]`, the possible rewards.
        probabilities: `[A, K]`, probability of each reward for each arm.
        features: `[A, …]`, features of the arms for `softmax_policy`. Defaults to one-hot vectors,
            which give one logit per arm.

    Returns:
        The MDP. In state 0 the arm is chosen; state 1 + k is reached with reward k.
    """
    num_arms, num_rewards = probabilities.shape
    num_states = 1 + num_rewards
    features = np.eye(num_arms) if features is None else features
    transitions = np.zeros((num_states, num_arms, num_states))
    transitions[0, :, 1:] = probabilities
    return TabularMDP(
        start=np.eye(num_states)[0],
        transitions=transitions,
        rewards=np.broadcast_to(np.append(0.0, rewards), transitions.shape),
        terminal=np.arange(num_states) > 0,
        features=np.broadcast_to(features, (num_states, *features.shape)),
        horizon=1,
    )


def softmax_policy(features: np.ndarray, theta: tf.Tensor) -> tf.Tensor:
    """Compute a softmax policy whose logits are linear in features of state and action.

        π(a|s) ∝ exp(θ · x(s, a))

    Args:
        features: x(s, a), `[S, A, …]`.
        theta: θ, `[…]`.

    Returns:
        π(a|s), `[S, A]`.

    Source: Sutton & Barto (2018), equations 13.2 and 13.3.
    """
    return tf.nn.softmax(tf.tensordot(features, theta, axes=theta.shape.rank))
