"""Errors that are shown to the user as one message instead of a traceback."""

from environments.faults import EnvironmentFault


class UserError(Exception):
    """A mistake that the user can fix.

    `str(error)` is the whole message, possibly several lines: the location of the mistake, the
    expected and the received value.
    """


USER_ERRORS = (UserError, EnvironmentFault)
