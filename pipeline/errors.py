"""The one kind of error that is told to the user instead of shown as a traceback."""


class UserError(Exception):
    """A mistake that the user can mend.

    `str(error)` is the whole message, possibly several lines: where the mistake stands, what was
    expected, what was received.
    """
