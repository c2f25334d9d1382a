"""The one exception a user is meant to read."""


class UserError(ValueError):
    """Something the user can mend: says what, where, what was expected and what to do.

    The command line prints its text without a traceback; code that calls the
    library sees an ordinary `ValueError`.
    """
