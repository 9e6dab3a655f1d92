"""Nests of arrays: states as they are compared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from environments.protocol import State

ReadState = Callable[[gymnasium.Env[Any, Any]], State]  # one state: arrays [*s] and numbers


def named_leaves(nest: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves in TensorFlow's order, with names as in `state.angle`."""
    if isinstance(nest, Mapping):
        for key in sorted(nest):
            yield from named_leaves(nest[key], f"{name}[{key!r}]")
    elif isinstance(nest, list | tuple):
        fields = getattr(nest, "_fields", None)  # of a NamedTuple
        for i, part in enumerate(nest):
            yield from named_leaves(part, f"{name}.{fields[i]}" if fields else f"{name}[{i}]")
    else:
        yield name, nest


def copied(nest: Any) -> Any:
    """The same nest of arrays of its own: an environment may go on writing to those it gave."""
    return tf.nest.map_structure(np.array, nest)


def stacked(rows: Sequence[Any]) -> Any:
    """N nests of arrays [*s] as one of arrays [N, *s]."""
    return tf.nest.map_structure(lambda *leaves: np.stack(leaves), *rows)


def cast_as(states: State, compiled: State) -> State:
    """States as they were read, in the dtypes of the compiled environment's own.

    Args:
        states: Arrays [N, *s].
        compiled: Tensors [E, *s].

    Raises:
        ValueError: If they differ in structure or shapes: `read_state` is to be mended.
    """
    tensors, arrays = dict(named_leaves(compiled, "state")), dict(named_leaves(states, "state"))
    if list(tensors) != list(arrays):
        raise ValueError(
            f"Expected `read_state` to give the compiled state: {', '.join(tensors)}. Received: "
            f"{', '.join(arrays)}"
        )
    for name, tensor in tensors.items():
        if tensor.shape[1:] != arrays[name].shape[1:]:
            raise ValueError(
                f"Expected `read_state` to give {name} of shape {tuple(tensor.shape[1:])}, that of "
                f"one copy of the compiled state. Received: {arrays[name].shape[1:]}"
            )
    return tf.nest.map_structure(
        lambda tensor, array: array.astype(tensor.dtype.as_numpy_dtype), compiled, states
    )
