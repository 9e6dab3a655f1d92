"""Exact mean and covariance of a gradient estimator, without sampling.

The estimator is applied to every batch of episodes that can occur in a tabular problem, and the
results are weighted by the batches' probabilities. Tests use this to compare the update's
expectation with the exact gradient.

In the shapes, S is the number of states, A the number of actions, T the horizon, N the number of
possible episodes, B the number of episodes in a batch, and P the number of components of θ.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from reinforce.episodes import Episodes
from reinforce.exact.tabular import TabularMDP
from reinforce.returns import discounted_returns

Step = tuple[int, int, int]  # state, action, next state
Estimator = Callable[[Episodes], Sequence[tf.Tensor]]


class PossibleEpisodes(NamedTuple):
    """All episodes that can occur."""

    probabilities: np.ndarray  # [N], their sum is 1
    states: np.ndarray  # [N, T] int, 0 on padding
    episodes: Episodes  # [N, T, …] in float64; `observations` are the states' features


def enumerate_episodes(mdp: TabularMDP, policy: tf.Tensor) -> PossibleEpisodes:
    """Enumerate all episodes that can occur under a policy `[S, A]`, with their probabilities.

    Raises:
        ValueError: If the problem has no horizon.
    """
    if mdp.horizon is None:
        raise ValueError(
            "Expected a problem with a horizon, since there are infinitely many episodes without "
            "one. Received: horizon=None"
        )
    table = np.asarray(policy)
    probabilities, paths = zip(*_paths(mdp, table), strict=True)
    lengths = np.array([len(path) for path in paths])
    valid = np.arange(mdp.horizon) < lengths[:, np.newaxis]  # [N, T]
    last = np.arange(mdp.horizon) == lengths[:, np.newaxis] - 1
    states, actions, next_states = np.zeros((3, *valid.shape), int)
    steps = itertools.chain.from_iterable(paths)
    states[valid], actions[valid], next_states[valid] = zip(*steps, strict=True)

    final = next_states[np.arange(len(paths)), lengths - 1]  # [N]
    final_observations = mdp.features[final]
    final_observations[mdp.terminal[final]] = 0

    def padded(values: np.ndarray) -> np.ndarray:
        return np.where(valid.reshape(valid.shape + (1,) * (values.ndim - 2)), values, 0)

    return PossibleEpisodes(
        probabilities=np.array(probabilities),
        states=states,
        episodes=Episodes(
            observations=padded(mdp.features[states]),
            actions=actions,
            log_probs=padded(
                np.log(table[states, actions], where=valid, out=np.zeros(valid.shape))
            ),
            rewards=padded(mdp.rewards[states, actions, next_states]),
            terminated=last & mdp.terminal[next_states],
            truncated=last & ~mdp.terminal[next_states],
            valid=valid,
            final_observations=final_observations,
        ),
    )


def _paths(mdp: TabularMDP, policy: np.ndarray) -> Iterator[tuple[float, list[Step]]]:
    """Yield the probability and the steps of every episode that can occur."""

    def extend(
        probability: float, path: list[Step], state: int
    ) -> Iterator[tuple[float, list[Step]]]:
        if mdp.terminal[state] or len(path) == mdp.horizon:
            yield probability, path
            return
        choices = policy[state][:, np.newaxis] * mdp.transitions[state]  # [A, S]
        for action, next_state in np.argwhere(choices > 0).tolist():
            step = (state, action, next_state)
            yield from extend(probability * choices[action, next_state], [*path, step], next_state)

    for state in np.flatnonzero(mdp.start):
        yield from extend(mdp.start[state], [], int(state))


class Moments(NamedTuple):
    """Mean and covariance of a gradient estimator."""

    mean: np.ndarray  # [P]
    covariance: np.ndarray  # [P, P]

    @property
    def variance(self) -> float:
        """Total variance E‖ĝ − E ĝ‖², the trace of the covariance."""
        return float(np.trace(self.covariance))


def estimator_moments(
    possible: PossibleEpisodes, estimator: Estimator, num_episodes: int
) -> Moments:
    """Compute the exact mean and covariance of an estimator for batches of independent episodes.

    The estimator is applied to all N^B batches that can occur, so B must be small.

    Args:
        possible: All episodes that can occur.
        estimator: Maps a batch of B episodes to gradients, one tensor per variable. TensorFlow
            traces it once for all batches.
        num_episodes: B.

    Returns:
        The moments of the gradients, flattened and concatenated.
    """
    indices = itertools.product(range(len(possible.probabilities)), repeat=num_episodes)
    batches = np.array(list(indices))  # [N^B, B]
    probabilities = possible.probabilities[batches].prod(axis=1)

    @tf.function(autograph=False)
    def gradients() -> tf.Tensor:
        def gradient(batch: tf.Tensor) -> tf.Tensor:
            episodes = Episodes(*(tf.gather(values, batch) for values in possible.episodes))
            parts = [tf.reshape(part, [-1]) for part in estimator(episodes)]
            return tf.cast(tf.concat(parts, axis=0), tf.float64)

        return tf.map_fn(gradient, batches, fn_output_signature=tf.float64)

    values = gradients().numpy()  # [N^B, P]
    mean = probabilities @ values
    deviations = values - mean
    return Moments(mean, (probabilities[:, None] * deviations).T @ deviations)


def optimal_constant_baseline(
    mdp: TabularMDP, policy: Callable[[], tf.Tensor], variables: Sequence[tf.Variable], gamma: float
) -> float:
    """Compute the constant b that minimizes the total variance of Σ_t ∇log π(a_t|s_t) (G_t − b).

        b = E[X·Y] / E[Y·Y]
        X = Σ_t ∇log π(a_t|s_t) G_t
        Y = Σ_t ∇log π(a_t|s_t)

    Since E Y = 0, this b minimizes the variance of X − bY. For a single step, it is the mean reward
    weighted by the squared norm of the score Y.

    Args:
        mdp: The problem; it must have a horizon.
        policy: Computes `[S, A]` from `variables`.
        variables: θ, TensorFlow or Keras variables.
        gamma: Discount factor γ.

    Returns:
        b.

    Raises:
        ValueError: If the problem has no horizon.

    Source: Greensmith, Bartlett & Baxter (2004), theorem 8. Williams (1992) leaves the choice open.
    """
    possible = enumerate_episodes(mdp, policy())
    episodes = possible.episodes
    returns = discounted_returns(episodes.rewards, episodes.valid, gamma)
    with tf.GradientTape(persistent=True) as tape:
        chosen = tf.stack([possible.states, episodes.actions], axis=-1)  # [N, T, 2]
        log_probs = tf.where(episodes.valid, tf.math.log(tf.gather_nd(policy(), chosen)), 0)
        score = tf.reduce_sum(log_probs, axis=1)  # [N]
        weighted = tf.reduce_sum(log_probs * returns, axis=1)

    def jacobian(values: tf.Tensor) -> np.ndarray:
        parts = tape.jacobian(values, variables)
        return np.concatenate([np.reshape(part, (len(part), -1)) for part in parts], axis=1)

    x, y = jacobian(weighted), jacobian(score)  # [N, P]
    return float(
        possible.probabilities @ (x * y).sum(1) / (possible.probabilities @ (y * y).sum(1))
    )
