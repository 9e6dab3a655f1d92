"""Fresh processes, so that no measurement affects the next."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def call_in_fresh_process(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Call a function in a new process that ends with the call."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(function, argument).result()
