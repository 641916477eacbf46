"""Reads MLflow's registry without MLflow: nothing is created, migrated or imported, and damage is reported.

A local database is opened read-only. A server is asked over its REST API, each time for a few seconds at most.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from core import urls
from core.errors import RoundsError
from tasks.state.line import POLICY, ModelLine, line_record
from tasks.state.workspace import Workspace
from tasks.tools import tracking

PATIENCE = 4.0
"""Seconds to wait for an answer of a server."""

_API = "api/2.0/mlflow"
_DELETED = "Deleted_Internal"
_PAGE = 1000
"""Runs per request."""

_MOST = 10_000
"""Maximum number of versions that are asked for; MLflow's own limit is 200,000."""


class Unreadable(RoundsError):
    """MLflow's registry cannot be read."""


class RegistryEntry(NamedTuple):
    """A version of a model as MLflow has it."""

    version: str
    run_id: str
    source: str
    """URI of its files."""
    tags: Mapping[str, str]


class RegisteredModel(NamedTuple):
    """The versions of one model, newest first, and where its alias `champion` points to."""

    alias: str | None
    versions: tuple[RegistryEntry, ...]

    def find(self, version: str) -> RegistryEntry | None:
        """One version; None if MLflow does not have it."""
        return next((each for each in self.versions if each.version == version), None)


def server(root: Path) -> str | None:
    """Address of the MLflow server, without a slash at its end; None if runs are in a database."""
    address = tracking.uri(root)
    return address.rstrip("/") if tracking.served(address) else None


def database(root: Path) -> Path | None:
    """The SQLite file of runs and versions; None if they are on a server."""
    return urls.sqlite_file(tracking.uri(root))


def registered(workspace: Workspace, name: str) -> RegisteredModel:
    """The versions of a model of the workspace's line.

    Args:
        workspace: the workspace.
        name: `policy` or `reward`.

    Raises:
        Unreadable: the database is missing or damaged, or the server does not answer.
    """
    registered_name = _line(workspace).model(name)
    if address := server(workspace.root):
        with _server_explained(address):
            return _from_server(address, registered_name)
    if file := database(workspace.root):
        with _database(file) as store:
            return RegisteredModel(_alias(store, registered_name), _versions(store, registered_name))
    raise _not_read()


def audit_runs(workspace: Workspace) -> list[Mapping[str, str]]:
    """The tags of the runs with the copies of audit logs, of all workspaces of the workspace's line.

    Raises:
        Unreadable: the database is missing or damaged, or the server does not answer.
    """
    experiment = _line(workspace).audit
    if address := server(workspace.root):
        with _server_explained(address):
            return _runs_on_server(address, experiment)
    if file := database(workspace.root):
        with _database(file) as store:
            return _runs_in_file(store, experiment)
    raise _not_read()


def line_tags(workspace: Workspace) -> Mapping[str, str]:
    """The tags of the experiment with the rounds of the workspace's line, which list its workspaces; {} without one.

    Raises:
        Unreadable: the database is missing or damaged, or the server does not answer.
    """
    experiment = _line(workspace).rounds
    if address := server(workspace.root):
        with _server_explained(address):
            return _tags(_experiment_on_server(address, experiment))
    if file := database(workspace.root):
        with _database(file) as store:
            return _tags_in_file(store, experiment)
    raise _not_read()


def _not_read() -> Unreadable:
    return Unreadable(
        "MLFLOW_TRACKING_URI names neither a server nor an SQLite file, and is not read here; check it with "
        "`rounds status`"
    )


def _line(workspace: Workspace) -> ModelLine:
    """The line that the workspace has recorded; without a record the one that older releases used."""
    record = None if tracking.is_local(workspace.root) else line_record(workspace)
    return ModelLine(record.line) if record else POLICY


def answer(address: str, path: str, **query: str) -> httpx.Response:
    """The answer of a server to a GET request.

    Raises:
        httpx.HTTPError: it does not answer, or with an error.
    """
    return httpx.get(f"{address}/{path}", params=query, auth=_login(), headers=_token(), timeout=PATIENCE)


def _login() -> httpx.BasicAuth | None:
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
    return httpx.BasicAuth(user, password) if user and password else None


def _token() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token and not _login() else {}


@contextmanager
def _database(file: Path) -> Iterator[sqlite3.Connection]:
    if not file.exists():
        raise Unreadable(f"{file} does not exist; restore it with `rounds restore`, or unset MLFLOW_TRACKING_URI")
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as store:
            yield store
    except sqlite3.Error as error:
        raise Unreadable(f"{file} cannot be read ({error}); {_cure(error)}") from error


def _cure(error: sqlite3.Error) -> str:
    """What to do about an error of SQLite: only a damaged database needs a backup."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the primary code
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "another process is writing to it; try again when it has ended"
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_READONLY:
            return "make the file and its folder readable for this user"
        case sqlite3.SQLITE_FULL:
            return "free some space on its disk"
    return "restore it from a backup with `rounds restore`"


def _alias(store: sqlite3.Connection, name: str) -> str | None:
    query = "select version from registered_model_aliases where name = ? and alias = 'champion'"
    row = store.execute(query, (name,)).fetchone()
    return None if row is None else str(row[0])


def _versions(store: sqlite3.Connection, name: str) -> tuple[RegistryEntry, ...]:
    tags: dict[int, dict[str, str]] = {}
    for version, key, value in store.execute(
        "select version, key, value from model_version_tags where name = ?", (name,)
    ):
        tags.setdefault(version, {})[key] = value
    rows = store.execute(
        "select version, run_id, coalesce(storage_location, source) from model_versions "
        "where name = ? and current_stage != ? order by version desc",
        (name, _DELETED),
    )
    return tuple(
        RegistryEntry(str(version), run or "", source or "", tags.get(version, {})) for version, run, source in rows
    )


def _runs_in_file(store: sqlite3.Connection, experiment: str) -> list[Mapping[str, str]]:
    rows = store.execute(
        "select tags.run_uuid, tags.key, tags.value from tags join runs using (run_uuid) join experiments "
        "using (experiment_id) where experiments.name = ? and runs.lifecycle_stage = 'active'",
        (experiment,),
    )
    runs: dict[str, dict[str, str]] = {}
    for run, key, value in rows:
        runs.setdefault(run, {})[key] = value or ""
    return list(runs.values())


def _tags_in_file(store: sqlite3.Connection, experiment: str) -> Mapping[str, str]:
    query = (
        "select tags.key, tags.value from experiment_tags tags join experiments using (experiment_id) "
        "where experiments.name = ?"
    )
    return {key: value or "" for key, value in store.execute(query, (experiment,))}


@contextmanager
def _server_explained(address: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Unreadable(
            f"the MLflow server at {urls.without_user(address)} does not answer ({type(error).__name__}); start it, or "
            "unset MLFLOW_TRACKING_URI to use the database of the workspace"
        ) from error


def _from_server(address: str, name: str) -> RegisteredModel:
    champion = answer(address, f"{_API}/registered-models/alias", name=name, alias="champion")
    alias = _json(champion).get("model_version", {}).get("version") if champion.status_code == 200 else None
    query = {"filter": f"name='{name}'", "max_results": str(_MOST)}
    versions = _json(answer(address, f"{_API}/model-versions/search", **query).raise_for_status())
    read = [_version(entry) for entry in versions.get("model_versions", [])]
    return RegisteredModel(alias and str(alias), tuple(sorted(read, key=lambda each: -int(each.version))))


def _experiment_on_server(address: str, name: str) -> Mapping[str, Any]:
    """The experiment with its tags; {} if the server has none of this name."""
    answered = answer(address, f"{_API}/experiments/get-by-name", experiment_name=name)
    if answered.status_code == 404:
        return {}
    experiment: Mapping[str, Any] = _json(answered.raise_for_status())["experiment"]
    return experiment


def _runs_on_server(address: str, experiment: str) -> list[Mapping[str, str]]:
    number = _experiment_on_server(address, experiment).get("experiment_id")
    if number is None:
        return []
    runs: list[Mapping[str, str]] = []
    token: str | None = ""
    while token is not None:
        query = {"experiment_ids": [number], "max_results": _PAGE, "page_token": token}
        page = _json(_post(address, f"{_API}/runs/search", query).raise_for_status())
        runs += [_tags(run["data"]) for run in page.get("runs", [])]
        token = page.get("next_page_token") or None
    return runs


def _post(address: str, path: str, query: Mapping[str, Any]) -> httpx.Response:
    return httpx.post(f"{address}/{path}", json=query, auth=_login(), headers=_token(), timeout=PATIENCE)


def _tags(entry: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in entry.get("tags", [])}


def _version(entry: Mapping[str, Any]) -> RegistryEntry:
    return RegistryEntry(str(entry["version"]), entry.get("run_id", ""), entry.get("source", ""), _tags(entry))


def _json(response: httpx.Response) -> dict[str, Any]:
    value: dict[str, Any] = response.json()
    return value
