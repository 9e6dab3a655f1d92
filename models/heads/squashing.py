"""The bijector that squashes the real line into the bounds of each component of a Box."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb


class Squashing(tfb.Bijector):
    """The elementwise bijector a = g(u) from the real line into given bounds.

        low and high finite    g(u) = (low + high)/2 + (high − low)/2 · tanh(u)
        low finite             g(u) = low + softplus(u)
        high finite            g(u) = high − softplus(u)
        neither                g(u) = u

    Every formula is evaluated for every component, and `tf.where` selects the right one. The
    formulas' constants are finite for every component, because a result that is ∞ or NaN would make
    the gradient NaN (0 · ∞) even where it is not selected.

    Args:
        low: Lower bounds `[*S]`, −∞ where there is none.
        high: Upper bounds `[*S]`, greater than `low`; ∞ where there is none.
        dtype: Dtype of the computation.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, dtype: tf.DType) -> None:
        parameters = dict(locals())
        below, above = np.isfinite(low), np.isfinite(high)
        self._both, self._one = below & above, below ^ above  # [*S] whose bounds are finite
        # Halve before adding: bounds as large as the largest float would overflow.
        half_low, half_high = np.where(self._both, low, -1) / 2, np.where(self._both, high, 1) / 2
        self._center = tf.constant(half_high + half_low, dtype)
        self._half_width = tf.constant(half_high - half_low, dtype)
        self._edge = tf.constant(np.where(below, low, np.where(above, high, 0)), dtype)
        self._sign = tf.constant(np.where(below, 1, -1), dtype)  # direction from the edge inward
        super().__init__(
            forward_min_event_ndims=0, dtype=dtype, parameters=parameters, name="squashing"
        )

    @classmethod
    def _parameter_properties(cls, dtype: tf.DType | None) -> Mapping[str, Any]:
        return {}  # none has a batch shape

    def _forward(self, x: tf.Tensor) -> tf.Tensor:
        return self._choose(
            both=self._center + self._half_width * tf.tanh(x),
            one=self._edge + self._sign * tf.math.softplus(x),
            neither=x,
        )

    def _inverse(self, y: tf.Tensor) -> tf.Tensor:
        unit = tf.where(self._both, (y - self._center) / self._half_width, 0)
        distance = tf.where(self._one, self._sign * (y - self._edge), 1)
        return self._choose(both=tf.atanh(unit), one=tfp.math.softplus_inverse(distance), neither=y)

    def _forward_log_det_jacobian(self, x: tf.Tensor) -> tf.Tensor:
        # With s the logistic function, softplus′(x) = s(x) and tanh′(x) = 4 s(2x) s(−2x), where
        # s(−2x) = e^(−2x) s(2x). The logarithms stay accurate for large |x|.
        log_logistic = -tf.math.softplus(tf.where(self._both, -2 * x, -x))
        return self._choose(
            both=tf.math.log(self._half_width) + 2 * (np.log(2) - x + log_logistic),
            one=log_logistic,
            neither=tf.zeros_like(x),
        )

    def _choose(self, both: tf.Tensor, one: tf.Tensor, neither: tf.Tensor) -> tf.Tensor:
        """Select the formula for each component `[…, *S]` by its bounds."""
        return tf.where(self._both, both, tf.where(self._one, one, neither))
