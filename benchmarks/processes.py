"""Fresh processes, so that no measurement affects the next."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def call_in_fresh_process(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Call a function in a new process that ends with the call."""
    return call_side_by_side(function, argument, 1)[0]


def call_side_by_side(
    function: Callable[[Argument], Result], argument: Argument, num_processes: int
) -> list[Result]:
    """Call a function with the same argument in several new processes at once."""
    with ProcessPoolExecutor(num_processes, get_context("spawn")) as processes:
        return list(processes.map(function, [argument] * num_processes))
