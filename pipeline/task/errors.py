"""The errors that are told to the user as one message instead of a traceback."""

from environments.faults import EnvironmentFault


class UserError(Exception):
    """A mistake that the user can mend.

    `str(error)` is the whole message, possibly several lines: where the mistake is, what was
    expected, what was received.
    """


USER_ERRORS = (UserError, EnvironmentFault)
