"""The name of the user who runs a command, for records that name people."""

import getpass
import os


def name() -> str:
    """The login name; if the system knows none, as in many containers, `user` and the user id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # KeyError before Python 3.13
        return f"user {os.getuid()}"
