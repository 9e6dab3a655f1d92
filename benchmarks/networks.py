"""The measured policies, and their network in NumPy.

Shapes: N observations of size O, P outputs of the last layer.
"""

from typing import NamedTuple

import numpy as np

from environments.specification import EnvironmentSpecification
from models.policy import Policy
from pipeline.build.policies import make_policy
from pipeline.task.schema import PolicyParams

HIDDEN_SIZES = (64, 64)
# Push the cart to where the pole leans and moves, and slowly back to the center. These are not
# tuned: any gains that keep the pole up for all 500 steps would do.
CARTPOLE_GAINS = (0.1, 0.3, 3.0, 1.0)


def make_measured_policy(specification: EnvironmentSpecification, kind: str) -> Policy:
    """Make a policy with two hidden layers of 64 tanh units.

    Args:
        specification: The environment.
        kind: `untrained` for initial weights, with which CartPole's episodes last some 22 steps; or
            `balancing`, for CartPole only: weights set by hand, with which episodes reach the
            time limit.

    Raises:
        ValueError: If this environment has no policy of this kind.
    """
    params = PolicyParams(hidden_sizes=HIDDEN_SIZES, activation="tanh")
    policy = make_policy(params, specification, np.random.SeedSequence(0))
    if kind == "balancing":
        if not specification.id.startswith("CartPole"):
            raise ValueError(f"no balancing policy for {specification.id}")
        policy.network.set_weights(_balancing(policy.network.get_weights()))
    elif kind != "untrained":
        raise ValueError(f"no policy of kind {kind!r}")
    return policy


def _balancing(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Make weights of a linear controller that uses the first unit of each hidden layer."""
    (first, b1, second, b2, last, b3) = map(np.zeros_like, weights)
    first[:, 0] = 0.05 * np.array(CARTPOLE_GAINS)  # where tanh is nearly linear
    second[0, 0] = 1.0
    last[0, 1] = 200.0  # push right if positive; almost always takes the more probable action
    return [first, b1, second, b2, last, b3]


class Gradients(NamedTuple):
    """The gradient of a weighted sum of the outputs, by layer."""

    kernels: list[np.ndarray]  # [inputs, units]
    biases: list[np.ndarray]  # [units]


class NumpyNetwork:
    """The dense layers of a policy's network, with tanh between them.

    Args:
        policy: The policy. Other layers of its network are left out.
    """

    def __init__(self, policy: Policy) -> None:
        dense = [layer for layer in policy.network.layers if hasattr(layer, "kernel")]
        self.kernels = [layer.kernel.numpy() for layer in dense]
        self.biases = [layer.bias.numpy() for layer in dense]

    def forward(self, observations: np.ndarray) -> list[np.ndarray]:
        """Compute the output of each layer for observations `[N, O]`; the last is `[N, P]`."""
        values = observations
        layers: list[np.ndarray] = []
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            if layers:
                values = np.tanh(values, out=values)
            values = values @ kernel
            values += bias
            layers.append(values)
        return layers

    def forward_backward(self, observations: np.ndarray, weights: np.ndarray) -> Gradients:
        """Compute the gradient of Σ weights · outputs, both `[N, P]`."""
        layers = self.forward(observations)  # tanh was applied in place
        inputs = [observations, *layers[:-1]]
        kernels, biases, after = [], [], weights
        for index in reversed(range(len(inputs))):
            kernels.append(inputs[index].T @ after)
            biases.append(after.sum(axis=0))
            if index:
                after = after @ self.kernels[index].T
                after *= 1 - inputs[index] ** 2
        return Gradients(kernels[::-1], biases[::-1])
