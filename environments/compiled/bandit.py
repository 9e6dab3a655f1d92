"""The compiled multi-armed Bernoulli bandit."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from environments.bandit import Bandit
from environments.compiled.random import uniform


class BanditState(NamedTuple):
    """The state of E bandits."""

    draws: tf.Tensor  # [E], in [0, 1): the pulled arm wins if this is below its probability


class CompiledBandit:
    """`Bandit-v0`; see `Bandit` for arguments, errors and source.

    The reset draws one uniform number, which decides whether the pulled arm wins. All arms share
    it. Since only one arm is pulled per episode, that correlation cannot be observed.
    """

    def __init__(
        self,
        probabilities: Sequence[float] = (0.3, 0.7),
        payouts: Sequence[float] | None = None,
        max_episode_steps: int = 1,
    ) -> None:
        bandit = Bandit(probabilities, payouts)
        self.probabilities = bandit.probabilities
        self.payouts = bandit.payouts
        self.observation_space = bandit.observation_space
        self.action_space = bandit.action_space
        self.max_episode_steps = max_episode_steps

    def reset(self, num_envs: int, seed: tf.Tensor) -> BanditState:
        return BanditState(uniform([num_envs], seed))

    def observe(self, state: BanditState) -> tf.Tensor:
        return tf.ones_like(state.draws)[:, tf.newaxis]  # [E, 1]

    def step(
        self, state: BanditState, actions: tf.Tensor
    ) -> tuple[BanditState, tf.Tensor, tf.Tensor]:
        probabilities = tf.gather(tf.constant(self.probabilities, tf.float32), actions)  # [E]
        payouts = tf.gather(tf.constant(self.payouts, tf.float32), actions)  # [E]
        rewards = tf.where(state.draws < probabilities, payouts, 0.0)
        return state, rewards, tf.ones_like(rewards, tf.bool)
