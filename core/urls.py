"""Paths as URLs. A path may hold any character; in a URL some of them mean something else."""

from pathlib import Path
from urllib.parse import quote

_PLAIN = "/ !\"$&'()*+,:;<=>@[\\]^`{|}"
"""What the URL of a database holds unquoted. `%`, `?`, `#`, control characters and all but ASCII are quoted."""


def sqlite(file: Path) -> str:
    """The URL of an SQLite database, as SQLAlchemy and MLflow read it.

    A path that needs no quoting keeps the short form, which people type. MLflow would make the folder of a quoted one
    as it stands, `%3F` and all, beside the right one; where the driver is named, it makes none.
    """
    path = str(file.resolve())
    quoted = quote(path, safe=_PLAIN)
    return f"sqlite:///{path}" if quoted == path else f"sqlite+pysqlite:///{quoted}"


def folder(path: Path) -> str:
    """The `file:` URL of a folder."""
    return path.resolve().as_uri()
