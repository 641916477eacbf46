"""Paths as URLs, with characters quoted that have a special meaning in a URL; and URLs without their secrets."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

_PLAIN = "/ !\"$&'()*+,:;<=>@[\\]^`{|}"
"""Characters left unquoted in database URLs. `%`, `?`, `#`, control and non-ASCII characters are quoted."""

SECRET = "***"
"""Written in place of a secret."""

_USER = re.compile(r"(?P<scheme>\b[a-zA-Z][\w+.\-]{0,30}://)(?P<user>[^\s/\"'<>]{1,1000})@")
_DATABASE = re.compile(
    r"(?P<scheme>\b(?:postgres|mysql|mariadb|mssql|oracle|redis|mongodb)[\w+]*://)(?P<user>[^\s\"'<>]{1,1000})@"
)
"""User and password before the host of a URL. Both may hold `@`, `?` and `#`, if their owner did not quote them; those
of a database may also hold `/`."""

_NAMED = re.compile(
    r"(?P<name>[?&;](?:[\w.\-%]{0,40}(?:token|secret|passw|pwd|api[-_]?key|access[-_]?key|signature|credential)"
    r"[\w.\-%]{0,40}|sig|key|auth)=)[^\s&;#\"'<>\\]+"
    r"|(?P<pair>\b(?:password|passwd|pwd|sslpassword|access_key|secret_key|api_key)\s?=\s?)(?:'[^']*'|[^\s,;&\"'<>\\]+)"
    r"|(?P<header>\b(?:Bearer|Basic)\s+)[\w.~+/\-]{8,}=*",
    re.IGNORECASE,
)
"""Secrets that a name announces: in the query of a URL, in a connection string, in an HTTP header."""

_VARIABLE = re.compile(r"(?:PASSWORD|PASSWD|TOKEN|SECRET|API_KEY|ACCESS_KEY|AUTH_STRING)$", re.IGNORECASE)
"""Environment variables whose whole value is a secret, such as `PREFECT_API_KEY` and `MLFLOW_TRACKING_PASSWORD`."""

_LEAST = 6
"""Characters. A shorter secret is hidden only where its place gives it away: hidden everywhere, it would hit words."""


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


def without_user(address: str) -> str:
    """An address without its user and password."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else address


def without_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """A text that may quote addresses, with `***` for every secret in it.

    Secrets are the password of a URL (or the user, if an HTTP address has no password: it is a token then), parameters
    such as `token=` and `sig=`, passwords of connection strings, credentials of HTTP headers, and the values of
    environment variables that hold passwords or tokens, wherever they stand.

    Args:
        text: any text.
        environment: the environment; by default that of the process.
    """
    for secret in _known(os.environ if environment is None else environment):
        if secret in text:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", SECRET, text)
    return hidden(text)


def hidden(text: str) -> str:
    """The same by the form of the text alone, whatever the environment of the process is."""
    if "://" in text:
        text = _USER.sub(_without_password, _DATABASE.sub(_without_password, text))
    return _NAMED.sub(lambda match: f"{match['name'] or match['pair'] or match['header']}{SECRET}", text)


def _without_password(match: re.Match[str]) -> str:
    scheme, (user, colon, _) = match["scheme"], match["user"].partition(":")
    if colon:
        return f"{scheme}{user}:{SECRET}@"
    return f"{scheme}{SECRET}@" if scheme.lower().startswith("http") else match[0]


def _known(environment: Mapping[str, str]) -> list[str]:
    """Secrets in the environment, longest first, so that none hides a part of another one."""
    secrets: set[str] = set()
    for name, value in environment.items():
        if _VARIABLE.search(name):
            secrets.add(value)
        for pattern in (_USER, _DATABASE) if "://" in value else ():
            passwords = [match["user"].partition(":")[2] for match in pattern.finditer(value)]
            secrets |= {form for password in passwords for form in (password, unquote(password))}
        secrets |= {match[0].partition("=")[2] for match in _NAMED.finditer(value) if match["name"]}
    return sorted((secret for secret in secrets if len(secret) >= _LEAST), key=lambda it: (-len(it), it))
