"""A PostgreSQL server of a test's own, run by an ordinary user: it refuses to run as root."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.programs import eventually, free_port, running, surroundings

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian's packages put the programs of each major version."""

ROOT_IS = ("postgres", "nobody")
"""The users that run the server if the tests run as root; the first that exists."""


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`; None if PostgreSQL is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    return versions[-1].parent if versions else None


@contextmanager
def serving() -> Iterator[str]:
    """The URL of an empty database on a new server, which listens on a Unix socket only."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # not pytest's folder, which an ordinary user may not enter
    owner = _owner()
    try:
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        _create(folder / "data", owner)
        port = free_port()
        command = [_program("postgres"), "-D", str(folder / "data"), "-k", str(folder), "-p", str(port), "-h", ""]
        command += ["-c", "fsync=off"]  # no test pulls the plug, and a flush a file takes seconds
        with running("postgres", command, _environment(), folder, **owner):
            eventually(lambda: _answers(folder, port), "PostgreSQL", folder, within=60, every=0.1)
            yield f"postgresql://rounds@/postgres?host={folder}&port={port}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    folder = programs()
    assert folder is not None
    return str(folder / name)


def _owner() -> dict[str, Any]:
    """Whom the server runs as, in the arguments of `subprocess`; empty if the tests are not run by root."""
    if os.getuid() != 0:
        return {}
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = next(known[name] for name in ROOT_IS if name in known)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _create(data: Path, owner: dict[str, Any]) -> None:
    options = ["--auth=trust", "--username=rounds", "--encoding=UTF8", "--locale=C", "--no-sync"]
    command = [_program("initdb"), "-D", str(data), *options]
    subprocess.run(command, cwd=data.parent, env=_environment(), check=True, capture_output=True, **owner)


def _environment() -> dict[str, str]:
    return {name: value for name, value in surroundings().items() if not name.startswith("PG")}


def _answers(folder: Path, port: int) -> bool | None:
    import psycopg

    try:
        psycopg.connect(host=str(folder), port=port, user="rounds", dbname="postgres").close()
    except psycopg.OperationalError:
        return None
    return True
