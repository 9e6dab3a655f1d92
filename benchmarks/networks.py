"""The policies that are measured, and their network in NumPy.

In the shapes, N is the number of observations, O their size and P that of the last layer.
"""

from typing import NamedTuple

import numpy as np

from environments.specification import EnvironmentSpecification
from models.policy import Policy
from pipeline.build.policies import make_policy
from pipeline.task.schema import PolicyParams

HIDDEN_SIZES = (64, 64)
# Pushes the cart towards where the pole leans and moves, and slowly back to the centre. Anything
# that keeps the pole up for all 500 steps would do; these are not tuned.
CARTPOLE_GAINS = (0.1, 0.3, 3.0, 1.0)


def make_measured_policy(specification: EnvironmentSpecification, kind: str) -> Policy:
    """Make a policy with two hidden layers of 64 tanh units.

    Args:
        specification: The environment.
        kind: `untrained`: fresh weights, under which CartPole's episodes are some 22 steps long; or
            `balancing`, of CartPole alone: weights set by hand, under which they reach the limit.

    Raises:
        ValueError: If there is no such policy for this environment.
    """
    params = PolicyParams(hidden_sizes=HIDDEN_SIZES, activation="tanh")
    policy = make_policy(params, specification, np.random.SeedSequence(0))
    if kind == "balancing":
        if not specification.id.startswith("CartPole"):
            raise ValueError(f"no balancing policy for {specification.id}")
        policy.network.set_weights(_balancing(policy.network.get_weights()))
    elif kind != "untrained":
        raise ValueError(f"no policy of the kind {kind!r}")
    return policy


def _balancing(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Make a linear controller, through the first unit of each hidden layer."""
    (first, b1, second, b2, last, b3) = map(np.zeros_like, weights)
    first[:, 0] = 0.05 * np.array(CARTPOLE_GAINS)  # where tanh is straight
    second[0, 0] = 1.0
    last[0, 1] = 200.0  # to the right if positive; almost always the more probable action
    return [first, b1, second, b2, last, b3]


class Gradients(NamedTuple):
    """The gradients of one sum over the outputs, by layer."""

    kernels: list[np.ndarray]  # [inputs, units]
    biases: list[np.ndarray]  # [units]


class NumpyNetwork:
    """Dense layers, tanh between them, with the weights of a policy's network.

    Args:
        policy: The policy; what its network has beside dense layers is left out.
    """

    def __init__(self, policy: Policy) -> None:
        dense = [layer for layer in policy.network.layers if hasattr(layer, "kernel")]
        self.kernels = [layer.kernel.numpy() for layer in dense]
        self.biases = [layer.bias.numpy() for layer in dense]

    def forward(self, observations: np.ndarray) -> list[np.ndarray]:
        """Compute what each layer gives from observations `[N, O]`, the outputs `[N, P]` last."""
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
        layers = self.forward(observations)  # tanh was taken in place
        inputs = [observations, *layers[:-1]]
        kernels, biases, after = [], [], weights
        for index in reversed(range(len(inputs))):
            kernels.append(inputs[index].T @ after)
            biases.append(after.sum(axis=0))
            if index:
                after = after @ self.kernels[index].T
                after *= 1 - inputs[index] ** 2
        return Gradients(kernels[::-1], biases[::-1])
