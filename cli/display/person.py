"""Who types a command, for the records that name people."""

import getpass
import os


def name() -> str:
    """The name of whoever is logged in; where the system knows none, as in many containers, the number of the user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # KeyError before Python 3.13
        return f"user {os.getuid()}"
