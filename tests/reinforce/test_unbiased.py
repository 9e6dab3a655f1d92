"""The expected update, over all possible batches, compared with the exact gradient."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from models.heads import make_head
from models.networks import make_policy_network
from models.normalization import RunningNormalization
from models.policy import Policy
from reinforce.baselines import BASELINES, BatchBaseline
from reinforce.exact.moments import enumerate_episodes, estimator_moments
from reinforce.exact.objective import action_values, objective, policy_gradient, visits
from reinforce.exact.tabular import bandit, softmax_policy
from reinforce.learner import Learner
from reinforce.loss import policy_loss
from reinforce.returns import discounted_returns
from tests.reinforce.exact.problems import (
    PROBLEMS,
    ExactlyDiscounted,
    make_learner,
    one_logit_bandit,
    possible_episodes,
    random_mdp,
    random_theta,
    stop_or_go,
    three_armed_bandit,
)
from tests.reinforce.examples import make_value


def exact_gradient(mdp, theta, gamma, visit_discount=None):
    """Return ∇J, flattened."""
    (gradient,) = policy_gradient(
        mdp, lambda: softmax_policy(mdp.features, theta), [theta], gamma, visit_discount
    )
    return np.ravel(gradient)


def expected_ascent(mdp, theta, learner, num_episodes=2):
    """Return the expected ascent direction of the update, −E ∇L."""
    possible = possible_episodes(mdp, theta)
    return -estimator_moments(possible, lambda e: learner.gradient(e)[0], num_episodes).mean


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_expected_update_is_the_gradient_of_the_undiscounted_objective(problem, baseline):
    mdp = PROBLEMS[problem]()
    theta = random_theta(mdp)
    learner = make_learner(mdp, theta, gamma=1.0, baseline=baseline)
    expected = exact_gradient(mdp, theta, gamma=1.0)
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(expected_ascent(mdp, theta, learner), expected, atol=1e-10)


def test_a_single_episode_is_unbiased_too():
    mdp = stop_or_go()
    theta = random_theta(mdp)
    learner = make_learner(mdp, theta)
    np.testing.assert_allclose(
        expected_ascent(mdp, theta, learner, num_episodes=1),
        exact_gradient(mdp, theta, gamma=1.0),
        atol=1e-10,
    )


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
@pytest.mark.parametrize("aliased", [False, True])
def test_with_the_factor_it_is_the_gradient_of_the_discounted_objective(aliased, baseline):
    mdp = stop_or_go(aliased)
    theta = random_theta(mdp)
    learner = make_learner(mdp, theta, gamma=0.7, baseline=baseline, kind=ExactlyDiscounted)
    np.testing.assert_allclose(
        expected_ascent(mdp, theta, learner), exact_gradient(mdp, theta, 0.7), atol=1e-10
    )


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
def test_without_the_factor_visits_are_not_discounted(baseline):
    # The direction is Σ_t Σ_s Pr(S_t = s) Σ_a ∇π(a|s) q_t(s, a): the theorem without its γ^t.
    mdp = stop_or_go()
    theta = random_theta(mdp)
    actual = expected_ascent(mdp, theta, make_learner(mdp, theta, gamma=0.7, baseline=baseline))
    expected = exact_gradient(mdp, theta, gamma=0.7, visit_discount=1.0)
    np.testing.assert_allclose(actual, expected, atol=1e-10)
    assert np.abs(actual - exact_gradient(mdp, theta, gamma=0.7)).max() > 1e-2


@pytest.mark.parametrize(("visit_discount", "symmetric"), [(0.7, True), (1.0, False)])
def test_without_the_factor_it_is_the_gradient_of_no_function(visit_discount, symmetric):
    # The derivative of a gradient is a Hessian, which is symmetric (Nota & Thomas 2020).
    mdp = stop_or_go()
    theta = random_theta(mdp)
    with tf.GradientTape(persistent=True) as tape:
        policy = softmax_policy(mdp.features, theta)
        weights = tf.einsum(
            "ts,tsa->sa", visits(mdp, policy, visit_discount), action_values(mdp, policy, 0.7)
        )
        scores = tf.einsum("sb,sbp->sp", policy, tf.constant(mdp.features))
        direction = tf.einsum("sa,sa,sap->p", policy, weights, mdp.features - scores[:, None])
    np.testing.assert_allclose(direction, exact_gradient(mdp, theta, 0.7, visit_discount))
    derivative = tape.jacobian(direction, theta)
    assert np.allclose(derivative, np.transpose(derivative), atol=1e-10) == symmetric


@pytest.mark.parametrize("kind", ["first return", "return of the step"])
@pytest.mark.parametrize(
    ("problem", "num_episodes"),
    [
        ("one-logit bandit", 2),
        ("three-armed bandit", 2),
        ("three-armed bandit", 3),
        ("stop or go", 2),
    ],
)
def test_a_mean_that_includes_the_episode_shrinks_the_gradient(problem, num_episodes, kind):
    # The episode's own return contributes G_t / B to the mean, which cancels 1/B of the gradient.
    mdp = PROBLEMS[problem]()
    theta = random_theta(mdp)

    def mean_of_all(returns):
        averaged = returns[:, :1] if kind == "first return" else returns
        return tf.broadcast_to(tf.reduce_mean(averaged, axis=0), tf.shape(returns))

    learner = make_learner(mdp, theta, baseline=BatchBaseline(mean_of_all))
    np.testing.assert_allclose(
        expected_ascent(mdp, theta, learner, num_episodes),
        (1 - 1 / num_episodes) * exact_gradient(mdp, theta, gamma=1.0),
        atol=1e-10,
    )


def preferences(mdp, policy):
    """Return Pr(reward > reward') − Pr(reward < reward') for each arm, `[A]`.

    `reward'` is an independent sample of the policy.
    """
    rewards, probabilities = mdp.rewards[0, 0, 1:], mdp.transitions[0, :, 1:]
    beats = np.sign(rewards[:, None] - rewards)  # [K, K]
    return probabilities @ beats @ probabilities.T @ policy[0].numpy()


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
def test_normalizing_two_episodes_leaves_only_which_of_them_was_better(baseline):
    # Two advantages d and −d become 1 and −1. The update follows the policy gradient of another
    # problem, in which the value of an arm is Pr(better than another sample) − Pr(worse).
    mdp = three_armed_bandit()
    theta = random_theta(mdp)
    learner = make_learner(mdp, theta, baseline=baseline, normalize_advantages=True)
    with tf.GradientTape() as tape:
        policy = softmax_policy(mdp.features, theta)
        value = tf.reduce_sum(policy[0] * preferences(mdp, policy))
    np.testing.assert_allclose(
        expected_ascent(mdp, theta, learner), tape.gradient(value, theta), atol=1e-10
    )


def test_normalized_advantages_can_lead_to_the_worse_arm():
    # Arm A pays 0.6. Arm B pays 1 with probability 0.55: a lower mean, but it beats A with 0.55.
    # ∇J = p (1 − p) (0.55 − 0.6), but the update follows p (1 − p) (0.55 − 0.45).
    mdp = bandit(
        np.array([0.0, 0.6, 1.0]),
        np.array([[0.0, 1.0, 0.0], [0.45, 0.0, 0.55]]),
        features=np.array([[0.0], [1.0]]),
    )
    theta = tf.Variable([0.0], dtype=tf.float64)
    learner = make_learner(
        mdp, theta, baseline=BASELINES["leave_one_out"], normalize_advantages=True
    )
    np.testing.assert_allclose(exact_gradient(mdp, theta, gamma=1.0), [-0.0125])
    np.testing.assert_allclose(expected_ascent(mdp, theta, learner), [0.025])


def test_normalized_advantages_ignore_the_scale_of_rewards():
    # The step does not shrink as less remains to be gained, so it is not the gradient of J.
    arms = one_logit_bandit()
    theta = random_theta(arms)
    ascents = []
    for scale in [1.0, 10.0]:
        mdp = replace(arms, rewards=scale * arms.rewards)
        learner = make_learner(mdp, theta, normalize_advantages=True)
        ascents.append(expected_ascent(mdp, theta, learner, num_episodes=3))
    np.testing.assert_allclose(ascents[1], ascents[0], atol=1e-10)


def test_the_entropy_bonus_ignores_that_actions_change_the_visited_states():
    # It adds c Σ_t Σ_s Pr(S_t = s) ∇H(π(·|s)): the entropy at this step, not at later steps.
    mdp = stop_or_go()
    theta = random_theta(mdp)
    learner = make_learner(mdp, theta, baseline=BASELINES["per_step"], entropy_coefficient=0.3)
    with tf.GradientTape() as tape:
        policy = softmax_policy(mdp.features, theta)
        entropy = -tf.reduce_sum(policy * tf.math.log(policy), axis=-1)  # [S]
        running = tf.where(mdp.terminal, 0, tf.reduce_sum(visits(mdp, policy, 1.0), axis=0))
        bonus = 0.3 * tf.reduce_sum(tf.stop_gradient(running) * entropy)
    expected = exact_gradient(mdp, theta, gamma=1.0) + tape.gradient(bonus, theta)
    np.testing.assert_allclose(expected_ascent(mdp, theta, learner), expected, atol=1e-10)


def test_a_baseline_that_depends_on_the_policy_is_a_constant_to_the_gradient():
    # The baseline is the policy's own value v_0(s_t). If the advantages were differentiated, the
    # update would also contain E Σ_t log π(a_t|s_t) ∇A_t.
    mdp = stop_or_go()
    theta = random_theta(mdp)
    policy = make_learner(mdp, theta).policy
    kernel = policy.network.trainable_variables[0]

    def gradient(episodes):
        with tf.GradientTape() as tape:
            table = softmax_policy(mdp.features, tf.squeeze(kernel.value, axis=-1))
            values = tf.reduce_sum(table * action_values(mdp, table, 1.0)[0], axis=-1)  # [S]
            same = tf.reduce_all(
                episodes.observations[:, :, None] == tf.constant(mdp.features), axis=[-1, -2]
            )  # [B, T, S]
            baseline = tf.linalg.matvec(tf.cast(same, values.dtype), values)
            outputs = policy.outputs(episodes.observations)
            loss = policy_loss(
                log_probs=policy.head.log_prob(outputs, episodes.actions),
                advantages=discounted_returns(episodes.rewards, episodes.valid, 1.0) - baseline,
                entropies=policy.head.entropy(outputs),
                valid=episodes.valid,
                entropy_coefficient=0.0,
            )
        return tape.gradient(loss, [kernel])

    np.testing.assert_allclose(
        -estimator_moments(possible_episodes(mdp, theta), gradient, num_episodes=2).mean,
        exact_gradient(mdp, theta, gamma=1.0),
        atol=1e-10,
    )


def fitted_value():
    """Create a value network that is fitted to other episodes, so V is not the true value."""
    value = make_value(3, (4,), normalize_targets=True, chunk_size=2)
    generator = np.random.default_rng(1)
    weights = [generator.normal(size=w.shape) for w in value.network.get_weights()]
    value.network.set_weights(weights)
    value.targets.update(tf.constant([[-3.0], [1.0]]), tf.constant([True, True]))
    return value


def make_normalizer():
    """Create a normalizer with statistics of earlier observations."""
    normalizer = RunningNormalization()
    normalizer.build((None, 3))
    normalizer.update(tf.constant([[1.0, 0, 0], [0, 1, 0], [0, 1, 0]]), tf.constant([True] * 3))
    return normalizer


UNMASKED = [(b, normalizing, False) for b in [*BASELINES, "value"] for normalizing in (False, True)]


@pytest.mark.parametrize(
    ("baseline", "normalizing", "masked"), [*UNMASKED, ("none", False, True), ("value", True, True)]
)
def test_a_float32_network_like_the_pipelines_is_unbiased(baseline, normalizing, masked):
    # The network has a hidden layer and observes the state. With a mask, it cannot choose action 0
    # in state 1: the differentiated table then contains a probability of 0.
    mdp = stop_or_go()
    observations = np.eye(3, dtype=np.float32)
    if masked:
        masks = np.array([[1, 1], [0, 1], [1, 1]], np.float32)
        observations = np.concatenate([observations, masks], axis=1)
    head = make_head(spaces.Discrete(2), masked=masked)
    normalizer = make_normalizer() if normalizing else None
    network = make_policy_network(3, (4,), "tanh", head, np.random.SeedSequence(0), normalizer)
    generator = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    policy = Policy(network, head, observation_size=3)
    learner = Learner(
        policy,
        keras.optimizers.Adam(0.01),
        gamma=1.0,
        baseline=fitted_value() if baseline == "value" else BASELINES[baseline],
        normalize_advantages=False,
        entropy_coefficient=0.0,
        max_gradient_norm=None,
        reward_scale=0.5,
    )

    def table():
        return tf.cast(policy.distribution(observations).probs_parameter(), tf.float64)

    possible = enumerate_episodes(mdp, table())
    episodes = possible.episodes._replace(
        observations=observations[possible.states],
        rewards=possible.episodes.rewards.astype(np.float32),
    )
    moments = estimator_moments(
        possible._replace(episodes=episodes), lambda e: learner.gradient(e)[0], num_episodes=2
    )
    exact = policy_gradient(mdp, table, learner.variables, gamma=1.0)
    expected = 0.5 * np.concatenate([np.ravel(part) for part in exact])  # the reward scale
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(-moments.mean, expected, atol=1e-5)


class Table(BatchBaseline):
    """A baseline that looks up the values of states, whose observations are their numbers."""

    def __init__(self, values):
        self.values = values

    def predict(self, observations, returns, valid):
        return tf.gather(self.values, tf.cast(observations[..., 0], tf.int32))


@pytest.mark.parametrize("horizon", [1, 3])
def test_exact_predictions_stand_for_all_that_a_time_limit_cuts_off(horizon):
    # With the values of the task without a limit, the expected return is the same as without it.
    mdp = random_mdp(0, horizon=None)
    theta = random_theta(mdp)
    policy = softmax_policy(mdp.features, theta)
    values = tf.reduce_sum(policy * action_values(mdp, policy, 0.9)[0], axis=1)
    learner = make_learner(mdp, theta, 0.9, Table(values), bootstrap_truncated=True)
    limited = replace(mdp, horizon=horizon, features=np.arange(4.0)[:, np.newaxis])
    possible = enumerate_episodes(limited, policy)
    expected_return = possible.probabilities @ learner.returns(possible.episodes)[:, 0].numpy()
    np.testing.assert_allclose(expected_return, objective(mdp, policy, 0.9))
