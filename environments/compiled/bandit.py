"""The multi-armed Bernoulli bandit, compiled."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from environments.bandit import Bandit
from environments.compiled.random import uniform


class BanditState(NamedTuple):
    """E episodes of one pull each."""

    draws: tf.Tensor  # [E], from [0, 1): an arm wins where its probability is above


class CompiledBandit:
    """`Bandit-v0`, which see for the arguments, the errors and the source.

    Chance comes in at the reset: one uniform number decides whether the arm wins that will be
    pulled, whichever it is. Only one is, so that arms have nothing in common that could be seen.
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
