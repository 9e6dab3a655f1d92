"""Protection against a late collapse in training: keep the policy with the best returns."""

import keras
import tensorflow as tf

NUM_RECENT = 64  # minimum number of training episodes by which a policy is judged
Z = 1.645  # of the one-sided confidence bound: 95% if returns are Normal


class BestPolicy:
    """The policy with the highest lower confidence bound on its recent training returns.

        bound = x̄ − z s / √n

    x̄, s and n are the mean, standard deviation and number of the returns by which a policy is
    judged. The bound discounts means that are high by luck, because returns are few or scattered.

    The returns are those of the episodes that the policy sampled. If one update has fewer than
    `NUM_RECENT` episodes, the episodes of as many preceding updates as needed are included.
    Evaluation episodes are never used. If policies are equal, the latest is kept. The policy after
    the last update is not judged, because it has not sampled any episodes.

    Args:
        network: The policy's network. All weights are kept, including observation statistics.
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
        """All variables on which the judgment of the next policy depends."""
        return [self._returns, self._num_judged, self._bound, self._update, *self._best]

    def reset(self) -> None:
        """Forget all policies."""
        self._num_judged.assign(0)
        self._bound.assign(float("-inf"))
        self._update.assign(-1)

    def judge(self, episode_returns: tf.Tensor) -> None:
        """Keep the current policy if no earlier one was better.

        Args:
            episode_returns: `[B]`, of the episodes that the current policy sampled.
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
        """Number of the update, from 0, whose episodes the best policy sampled.

        None if there have been too few episodes to judge any policy.
        """
        update = int(self._update)
        return update if update >= 0 else None

    def restore(self) -> None:
        """Assign the kept weights to the network, if there are any."""
        if self.kept_update is not None:
            for best, weight in zip(self._best, self._weights, strict=True):
                weight.assign(best)
