"""Commands that fail with one message and an exit status instead of a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.process.interruption import Interrupted, end_interrupted, print_line
from pipeline.task.errors import USER_ERRORS


@contextmanager
def exit_with_message(command: str) -> Iterator[None]:
    """Exit with one message and no traceback if the command cannot continue.

    The exit status is 1 after a user's mistake, numbers that are not finite, running out of memory,
    or a file that cannot be read or written. It is 130 after Ctrl-C, and 128 plus the signal's
    number after any other signal that was handled.
    """
    try:
        yield
    except USER_ERRORS as error:
        sys.exit(str(error))
    except Interrupted as error:
        print_line(str(error), sys.stderr)
        sys.exit(128 + error.number)
    except FloatingPointError as error:
        sys.exit(f"{command}: {error}")
    except OSError as error:
        sys.exit(f"{error.filename or command}: {error.strerror or error}")
    except KeyboardInterrupt:
        end_interrupted()
    except Exception as error:
        # MemoryError, a subclass of it, or TensorFlow's error. The latter is recognized by name,
        # since TensorFlow may not have been imported.
        if {"MemoryError", "ResourceExhaustedError"}.isdisjoint(
            t.__name__ for t in type(error).mro()
        ):
            raise
        sys.exit(f"{command}: out of memory: {str(error).partition(chr(10))[0]}")
