"""Paths as URLs, with characters quoted that have a special meaning in a URL."""

from pathlib import Path
from urllib.parse import quote, unquote

_PLAIN = "/ !\"$&'()*+,:;<=>@[\\]^`{|}"
"""Characters left unquoted in database URLs. `%`, `?`, `#`, control and non-ASCII characters are quoted."""


def sqlite(file: Path) -> str:
    """The URL of an SQLite database for SQLAlchemy and MLflow.

    A path that needs no quoting keeps the usual short form `sqlite:///…`. For a quoted path the driver is named,
    because MLflow otherwise creates a second folder with the quoted name (such as `%3F`).
    """
    path = str(file.resolve())
    quoted = quote(path, safe=_PLAIN)
    return f"sqlite:///{path}" if quoted == path else f"sqlite+pysqlite:///{quoted}"


def sqlite_file(address: str) -> Path | None:
    """The file of the URL of an SQLite database; None for other URLs, and for a database in memory."""
    scheme, separator, rest = address.partition("://")
    name = unquote(rest.partition("?")[0]).removeprefix("/")
    if not separator or scheme.partition("+")[0] != "sqlite" or name in ("", ":memory:"):
        return None
    return Path(name)


def folder(path: Path) -> str:
    """The `file:` URL of a folder."""
    return path.resolve().as_uri()
