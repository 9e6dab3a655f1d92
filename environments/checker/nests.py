"""Nested states: names of their parts, copying, stacking, casting."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from environments.protocol import State

ReadState = Callable[[gymnasium.Env[Any, Any]], State]  # one state: arrays [*s] and numbers


def named_leaves(nest: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the leaves in TensorFlow's order, with names such as `state.angle`."""
    if isinstance(nest, Mapping):
        for key in sorted(nest):
            yield from named_leaves(nest[key], f"{name}[{key!r}]")
    elif isinstance(nest, list | tuple):
        fields = getattr(nest, "_fields", None)  # of a NamedTuple
        for i, part in enumerate(nest):
            yield from named_leaves(part, f"{name}.{fields[i]}" if fields else f"{name}[{i}]")
    else:
        yield name, nest


def copy_arrays(nest: Any) -> Any:
    """Copy the arrays of a nest, since the environment may overwrite those it returned."""
    return tf.nest.map_structure(np.array, nest)


def stack_arrays(rows: Sequence[Any]) -> Any:
    """Stack N nests of arrays [*s] into one nest of arrays [N, *s]."""
    return tf.nest.map_structure(lambda *leaves: np.stack(leaves), *rows)


def cast_like(states: State, compiled: State) -> State:
    """Cast the states that `read_state` returned to the dtypes of the compiled state.

    Args:
        states: Arrays [N, *s].
        compiled: Tensors [E, *s].

    Raises:
        ValueError: If the structures or shapes differ, which is a mistake in `read_state`.
    """
    tensors, arrays = dict(named_leaves(compiled, "state")), dict(named_leaves(states, "state"))
    if list(tensors) != list(arrays):
        raise ValueError(
            f"Expected `read_state` to return the structure of the compiled state: "
            f"{', '.join(tensors)}. Received: {', '.join(arrays)}"
        )
    for name, tensor in tensors.items():
        if tensor.shape[1:] != arrays[name].shape[1:]:
            raise ValueError(
                f"Expected `read_state` to return {name} of shape {tuple(tensor.shape[1:])}, as in "
                f"one copy of the compiled state. Received: {arrays[name].shape[1:]}"
            )
    return tf.nest.map_structure(
        lambda tensor, array: array.astype(tensor.dtype.as_numpy_dtype), compiled, states
    )
