"""Processes that measure one thing each, so that nothing measured before has an influence."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def call_in_fresh_process(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Call a function in a process of its own, which starts for it and ends with it."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(function, argument).result()
