"""The baseline `value`: a network predicts returns from observations."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from models.normalization import RunningNormalization
from reinforce.baselines import Baseline
from reinforce.chunks import Chunk, fold_chunks
from reinforce.episodes import check_layout, flatten_steps, write_rows
from reinforce.gradient import sum_gradients
from reinforce.tuning import tuning

MINIBATCHES_PER_CALL = 100  # makes Python's overhead negligible, yet fits into memory


class ValueBaseline(Baseline):
    """A learned baseline: a network V that predicts the return from the observation.

        b_{i,t} = V(s_{i,t}), then V ← optimizer steps on mean (V(s_{i,t}) − G_{i,t})²

    Unbiased, because V depends on earlier batches and the current observation, but neither on the
    action nor on anything after it. `tests/reinforce/test_unbiased.py` verifies this. V must be
    fitted after it has been used: otherwise it would already know the returns of the batch. V has
    its own optimizer, and the policy loss does not train it.

    Args:
        make_network: Maps a seed to a Keras model with fresh weights, observations `[N, O]` →
            `[N, 1]`.
        optimizer: A Keras optimizer.
        steps_per_update: Optimizer steps per batch; each uses the whole batch.
        normalize_targets: Whether the network predicts normalized returns: minus their running
            mean, divided by their running standard deviation (over all batches so far).
        chunk_size: Number of env steps that are differentiated at a time. Defaults to the value
            in `Tuning` for XLA on the device.

    Source: Williams (1992); Sutton & Barto (2018), section 13.4, "REINFORCE with baseline".
    """

    def __init__(
        self,
        make_network: Callable[[np.random.SeedSequence], keras.Model],
        optimizer: keras.Optimizer,
        *,
        steps_per_update: int,
        normalize_targets: bool,
        chunk_size: int | None = None,
    ) -> None:
        self.network = make_network(np.random.SeedSequence(0))  # `reset` draws the weights
        self.optimizer = optimizer
        self.steps_per_update = steps_per_update
        self.chunk_size = chunk_size or tuning().chunk_size
        self.normalize_targets = normalize_targets
        self.targets = RunningNormalization(name="returns")
        self.targets.build((None, 1))
        self.variables = self.network.trainable_variables
        optimizer.build(self.variables)
        self._make_network = make_network
        self._trained = [  # all that changes but the network
            *(v for v in optimizer.variables if v is not optimizer.learning_rate),
            *self.targets.variables,
        ]
        self._fresh = [variable.numpy() for variable in self._trained]

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        """See `Baseline`."""
        return {
            "value": self.variables,
            "value_optimizer": self.optimizer.variables,
            "value_targets": self.targets.variables,
        }

    def reset(self, seed: np.random.SeedSequence) -> None:
        """See `Baseline`; the optimizer's learning rate is kept."""
        fresh = self._make_network(seed).trainable_variables
        for variable, value in zip(self.variables, fresh, strict=True):
            variable.assign(value)
        for variable, value in zip(self._trained, self._fresh, strict=True):
            variable.assign(value)

    def predict(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """See `Baseline`; in units of the returns, 0 on padding."""

        def write(chunk: Chunk, values: tf.Tensor) -> tf.Tensor:
            outputs = self._outputs(chunk.take(observations))  # [1, C]
            part = outputs * self._deviation(values.dtype) + self._mean(values.dtype)
            rows = tf.where(chunk.valid, chunk.rows, tf.size(valid))
            return write_rows(values, rows[0], part[0])

        zeros = flatten_steps(tf.zeros(tf.shape(valid), self.variables[0].dtype))
        values = fold_chunks(write, zeros, valid, self.chunk_size)
        return tf.reshape(values, tf.shape(valid))

    def fit(self, observations: tf.Tensor, returns: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """See `Baseline`; take optimizer steps that reduce the mean squared error."""
        check_layout(returns=returns, valid=valid)
        num_valid = tf.cast(tf.math.count_nonzero(valid), returns.dtype)
        errors = tf.where(valid, self.predict(observations, returns, valid) - returns, 0)
        if self.normalize_targets:
            self.targets.update(returns[..., tf.newaxis], valid)
        targets = (returns - self._mean(returns.dtype)) / self._deviation(returns.dtype)

        def losses(chunk: Chunk) -> tuple[list[tf.Tensor], tuple[()]]:
            part, target = chunk.take(observations), chunk.take(targets)
            squares = tf.where(chunk.valid, (self._outputs(part) - target) ** 2, 0)
            return [tf.reduce_sum(squares) / num_valid], ()

        def step(index: tf.Tensor) -> tuple[tf.Tensor]:
            (gradients,), _ = sum_gradients(losses, self.variables, valid, self.chunk_size)
            self.optimizer.apply(gradients, self.variables)
            return (index + 1,)

        tf.while_loop(lambda index: index < self.steps_per_update, step, (0,))
        return tf.reduce_sum(errors**2) / num_valid

    def _outputs(self, observations: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(observations, [-1, observations.shape[-1]])
        flat = self.network(flat[:, : self.network.input_shape[-1]])  # [B T, 1], without masks
        return tf.reshape(flat, tf.shape(observations)[:-1])

    def _mean(self, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(self.targets.mean[0], dtype)

    def _deviation(self, dtype: tf.DType) -> tf.Tensor:
        return tf.cast(self.targets.deviation[0], dtype)


def compile_fit(
    value: ValueBaseline, num_minibatches: int, minibatch_size: int
) -> Callable[[np.ndarray, np.ndarray, np.random.Generator], None]:
    """Compile a function that fits V to a data set of single steps, in random minibatches.

    XLA compiles it once for any number of steps. Each call of the compiled function processes many
    minibatches.

    Args:
        value: V. Each minibatch is passed to `fit`, which takes `steps_per_update` optimizer steps.
        num_minibatches: Number of minibatches; rounded up to a multiple of 100.
        minibatch_size: Number of steps in each, drawn with replacement.

    Returns:
        A function of observations `[N, O]`, their returns `[N]`, and the generator that draws the
        minibatches.
    """
    shape = (MINIBATCHES_PER_CALL, 1, minibatch_size)
    valid = tf.fill(shape[1:], True)  # a minibatch is laid out like one episode

    num_inputs = value.network.input_shape[-1]
    signature = [tf.TensorSpec([*shape, num_inputs]), tf.TensorSpec(shape)]

    @tf.function(input_signature=signature, jit_compile=True, autograph=False)
    def fit_to_all(observations: tf.Tensor, returns: tf.Tensor) -> None:
        def fit(index: tf.Tensor) -> tuple[tf.Tensor]:
            value.fit(observations[index], returns[index], valid)
            return (index + 1,)

        tf.while_loop(lambda index: index < MINIBATCHES_PER_CALL, fit, (0,))

    fit_to_all.get_concrete_function()  # see CompiledSampler

    def fit_to(
        observations: np.ndarray, returns: np.ndarray, generator: np.random.Generator
    ) -> None:
        for _ in range(0, num_minibatches, MINIBATCHES_PER_CALL):
            drawn = generator.integers(len(returns), size=shape)
            without_masks = observations[drawn, :num_inputs]
            fit_to_all(tf.constant(without_masks), tf.constant(returns[drawn]))

    return fit_to
