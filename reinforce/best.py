"""The guard against a collapse late in training: the policy whose returns were best is kept."""

import keras
import tensorflow as tf

NUM_RECENT = 64  # training episodes that judge a policy, at least
Z = 1.645  # the bound is exceeded by the mean with a confidence of 95 %, if returns were Normal


class BestPolicy:
    """The policy with the highest lower confidence bound on its recent training returns.

    A policy is judged by the last `NUM_RECENT` episodes or more, in whole updates: those of its own
    update, and where these are fewer, of the updates just before. The bound is x̄ − z s / √n: a mean
    that is high by luck, of few or scattered returns, does not count for as much. Evaluation
    episodes never enter it. Of equal policies the latest is kept; the last update's result, of
    which there are no episodes, is not judged.

    Args:
        network: The policy's; statistics of observations are kept with the weights.
        episodes_per_update: B.
    """

    def __init__(self, network: keras.Model, episodes_per_update: int) -> None:
        window = -(-NUM_RECENT // episodes_per_update)  # updates
        self._weights = network.weights
        self._returns = tf.Variable(tf.zeros([window, episodes_per_update]), name="recent_returns")
        self._num_judged = tf.Variable(tf.zeros([], tf.int64), name="num_judged")
        self._bound = tf.Variable(tf.zeros([]), name="best_bound")
        self._update = tf.Variable(tf.zeros([], tf.int64), name="best_update")
        self._best = [tf.Variable(weight, name=f"best_{weight.path}") for weight in self._weights]
        self.reset()

    @property
    def variables(self) -> list[tf.Variable]:
        """All that the judgement of the next policy depends on."""
        return [self._returns, self._num_judged, self._bound, self._update, *self._best]

    def reset(self) -> None:
        """Forgets all policies."""
        self._num_judged.assign(0)
        self._bound.assign(float("-inf"))
        self._update.assign(-1)

    def judge(self, episode_returns: tf.Tensor) -> None:
        """Keeps the policy as it is if none before was better.

        Args:
            episode_returns: `[B]`, of the episodes that it sampled.
        """
        recent = tf.concat([self._returns[1:], episode_returns[tf.newaxis]], axis=0)  # [W, B]
        recent = tf.ensure_shape(recent, self._returns.shape)
        window, size = recent.shape[0], recent.shape.num_elements()
        mean = tf.reduce_mean(recent)
        variance = tf.reduce_sum((recent - mean) ** 2) / (size - 1)
        bound = mean - Z * tf.sqrt(variance / size)
        is_best = (self._num_judged >= window - 1) & (bound >= self._bound)

        def keep(variable: tf.Variable, value: tf.Tensor) -> None:
            variable.assign(tf.where(is_best, value, variable))

        keep(self._bound, bound)
        keep(self._update, self._num_judged)
        for best, weight in zip(self._best, self._weights, strict=True):
            keep(best, tf.convert_to_tensor(weight))
        self._returns.assign(recent)
        self._num_judged.assign_add(1)

    @property
    def kept_update(self) -> int | None:
        """The number of the update, from 0, whose episodes the best policy sampled.

        None if there were too few episodes to judge any.
        """
        update = int(self._update)
        return update if update >= 0 else None

    def restore(self) -> None:
        """Gives the network the weights that were kept, if any were."""
        if self.kept_update is not None:
            for best, weight in zip(self._best, self._weights, strict=True):
                weight.assign(best)
