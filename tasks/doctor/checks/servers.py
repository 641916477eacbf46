"""The configured Prefect and MLflow servers answer, with a version that fits, and their clocks agree with this one."""

import os
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from core import urls
from core.proxies import exempt_loopback
from tasks.doctor.diagnosis import Diagnosis, error, note, rounds, warning
from tasks.state.workspace import Workspace
from tasks.tools import mlflow_reading

TOLERANCE = 60.0
"""Seconds by which clocks may differ."""

PATIENCE = 4.0
"""Seconds to wait for an answer."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Both servers, if they are configured."""
    exempt_loopback()
    if prefect := _prefect_address():
        command = _start(workspace, prefect)
        yield from _server("Prefect", prefect, lambda: _prefect(prefect), "prefect", command)
    if mlflow := mlflow_reading.server(workspace.root):
        yield from _server("MLflow", mlflow, lambda: mlflow_reading.answer(mlflow, "version"), "mlflow", None)


def _prefect_address() -> str:
    """The address from the environment, else from Prefect's profile; empty if none is configured."""
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    try:
        profiles = tomllib.loads((home / "profiles.toml").read_text(encoding="utf-8"))
        name = os.environ.get("PREFECT_PROFILE") or profiles["active"]
        address = str(profiles["profiles"][name].get("PREFECT_API_URL", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        address = ""
    return (os.environ.get("PREFECT_API_URL") or address).rstrip("/")


def _start(workspace: Workspace, address: str) -> str | None:
    """The command that starts a Prefect server at an address of this machine; None for one on another machine.

    Not `prefect server start`: on SQLAlchemy 2.1, that server starts no scheduled run.
    """
    parts = urlsplit(address)
    if parts.hostname not in ("127.0.0.1", "localhost") or not parts.port:
        return None
    return rounds(workspace, f"up --only prefect --prefect-port {parts.port}")


def _prefect(address: str) -> httpx.Response:
    key = os.environ.get("PREFECT_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    login = os.environ.get("PREFECT_API_AUTH_STRING", "")
    auth = httpx.BasicAuth(*login.split(":", 1)) if ":" in login else None
    return httpx.get(f"{address}/admin/version", headers=headers, auth=auth, timeout=PATIENCE)


def _server(
    name: str, address: str, ask: Callable[[], httpx.Response], package: str, command: str | None
) -> Iterator[Diagnosis]:
    shown = urls.without_user(address)
    try:
        answer = ask().raise_for_status()
    except (httpx.HTTPError, ValueError) as problem:
        yield error(f"the {name} server at {shown} does not answer ({type(problem).__name__})", command)
        return
    there, here = answer.text.strip().strip('"'), version(package)
    if there.split(".")[:2] != here.split(".")[:2]:
        worse = warning if there.split(".")[:1] != here.split(".")[:1] else note
        yield worse(f"the {name} server at {shown} has version {there}, and {here} is installed here")
    yield from _clock(name, answer)


def _clock(name: str, answer: httpx.Response) -> Iterator[Diagnosis]:
    if date := answer.headers.get("date"):
        difference = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
        if abs(difference) > TOLERANCE:
            yield warning(f"the clock of the {name} server differs from this one by {abs(difference):.0f} s")
