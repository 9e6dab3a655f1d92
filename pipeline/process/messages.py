"""The end of a command that cannot go on: one message and an exit status, no traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.process.interruption import Interrupted, end_interrupted, print_line
from pipeline.task.errors import USER_ERRORS


@contextmanager
def exit_with_message(command: str) -> Iterator[None]:
    """Ends a command that cannot go on.

    The exit status is 1 after a user's mistake, numbers that are not finite, too little memory, or
    a file that cannot be read or written, with one message and no traceback; 130 after Ctrl-C, and
    128 and its number after another signal that it could answer.
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
        # MemoryError, or one of its children; or TensorFlow's, which may not have been imported.
        if {"MemoryError", "ResourceExhaustedError"}.isdisjoint(
            t.__name__ for t in type(error).mro()
        ):
            raise
        sys.exit(f"{command}: out of memory: {str(error).partition(chr(10))[0]}")
