"""The exact objective J(θ) and its exact gradient, by dynamic programming in float64.

REINFORCE estimates them from sampled episodes; here they are computed from a problem's tables.

In the shapes, S is the number of states, A the number of actions and T the horizon. A policy is the
table of its action probabilities, `[S, A]`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from reinforce.exact.tabular import TabularMDP


def action_values(mdp: TabularMDP, policy: tf.Tensor, gamma: float) -> tf.Tensor:
    """Compute the expected return of every action, in every state and at every step.

        q_t(s, a) = Σ_s' p(s'|s, a) [r(s, a, s') + γ Σ_a' π(a'|s') q_{t+1}(s', a')]

    Args:
        mdp: The problem.
        policy: `[S, A]`.
        gamma: Discount factor γ.

    Returns:
        q_t(s, a), `[T, S, A]`. Without a horizon it is the same at every step, and T is 1.

    Raises:
        tf.errors.InvalidArgumentError: If γ = 1, the problem has no horizon and episodes of the
            policy may never end.

    Source: Sutton & Barto (2018), equations 3.14 and 4.4.
    """
    rewards = tf.reduce_sum(mdp.continuing * mdp.rewards, axis=-1)  # [S, A]
    if mdp.horizon is None:
        # Solve (1 − γ P) v = r. A terminal state has a zero row in P and r = 0, hence v = 0.
        state_rewards = tf.reduce_sum(policy * rewards, axis=-1, keepdims=True)  # [S, 1]
        values = tf.linalg.solve(_one_minus(gamma, _chain(mdp, policy)), state_rewards)
        return (rewards + gamma * tf.linalg.matvec(mdp.continuing, values[:, 0]))[tf.newaxis]
    values = tf.zeros_like(mdp.start)  # [S]
    table: list[tf.Tensor] = []
    for _ in range(mdp.horizon):
        table.insert(0, rewards + gamma * tf.linalg.matvec(mdp.continuing, values))
        values = tf.reduce_sum(policy * table[0], axis=-1)
    return tf.stack(table)


def visits(mdp: TabularMDP, policy: tf.Tensor, discount: float) -> tf.Tensor:
    """Compute the discounted probability of visiting each state at each step.

        d_t(s) = discount^t Pr(S_t = s)

    Args:
        mdp: The problem.
        policy: `[S, A]`.
        discount: γ for the exact gradient; 1 for undiscounted probabilities.

    Returns:
        d_t(s), `[T, S]`. Without a horizon, it is summed over all steps, and T is 1.

    Raises:
        tf.errors.InvalidArgumentError: See `action_values`.

    Source: Sutton, McAllester, Singh & Mansour (2000), d^π of section 1.
    """
    chain = _chain(mdp, policy)
    if mdp.horizon is None:
        transposed = tf.transpose(_one_minus(discount, chain))
        return tf.linalg.solve(transposed, mdp.start[:, np.newaxis])[tf.newaxis, :, 0]
    table = [tf.constant(mdp.start)]
    for _ in range(mdp.horizon - 1):
        table.append(discount * tf.linalg.matvec(chain, table[-1], transpose_a=True))
    return tf.stack(table)


def objective(mdp: TabularMDP, policy: tf.Tensor, gamma: float) -> tf.Tensor:
    """Compute the objective, the expected discounted return of an episode.

        J = E[Σ_t γ^t r_t] = Σ_s p_0(s) Σ_a π(a|s) q_0(s, a)

    Args:
        mdp: The problem.
        policy: `[S, A]`.
        gamma: Discount factor γ.

    Returns:
        J, a scalar that is differentiable with respect to `policy`.

    Raises:
        tf.errors.InvalidArgumentError: See `action_values`.
    """
    first = action_values(mdp, policy, gamma)[0]
    return tf.reduce_sum(mdp.start * tf.reduce_sum(policy * first, axis=-1))


def policy_gradient(
    mdp: TabularMDP,
    policy: Callable[[], tf.Tensor],
    variables: Sequence[tf.Variable],
    gamma: float,
    visit_discount: float | None = None,
) -> list[tf.Tensor]:
    """Compute the gradient of the objective by the policy gradient theorem.

        ∇J = Σ_t γ^t Σ_s Pr(S_t = s) Σ_a ∇π(a|s) q_t(s, a)

    The theorem says that neither the visits Pr(S_t = s) nor the values q_t need to be
    differentiated.

    Args:
        mdp: The problem.
        policy: Computes `[S, A]` from `variables`.
        variables: θ, TensorFlow or Keras variables.
        gamma: Discount factor γ of the returns.
        visit_discount: Replaces γ in the factor γ^t. With 1 the factor is omitted, as in most uses
            of REINFORCE. Defaults to `gamma`, which gives the gradient of the objective.

    Returns:
        One tensor per variable.

    Raises:
        tf.errors.InvalidArgumentError: See `action_values`.

    Source: Sutton, McAllester, Singh & Mansour (2000), theorem 1.
    """
    with tf.GradientTape() as tape:
        table = policy()
    weights = tf.einsum(
        "ts,tsa->sa",
        visits(mdp, table, gamma if visit_discount is None else visit_discount),
        action_values(mdp, table, gamma),
    )
    return list(tape.gradient(table, variables, output_gradients=weights))


def _chain(mdp: TabularMDP, policy: tf.Tensor) -> tf.Tensor:
    """Compute P_π(s'|s), `[S, S]`; terminal states have rows of zeros."""
    return tf.einsum("sa,sat->st", policy, mdp.continuing)


def _one_minus(discount: float, chain: tf.Tensor) -> tf.Tensor:
    return tf.eye(chain.shape[0], dtype=chain.dtype) - discount * chain
