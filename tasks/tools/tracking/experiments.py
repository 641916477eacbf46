"""Experiments and runs: find them, create them if missing, and read or write what every run has."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core import outages, urls
from core.errors import RoundsError
from core.shown import noted
from tasks.state.line import ModelLine
from tasks.state.workspace import Workspace
from tasks.tools import rounds_view
from tasks.tools.tracking.address import served, uri
from tasks.tools.tracking.connection import client

if TYPE_CHECKING:  # importing MLflow takes seconds, so functions import it
    from mlflow import MlflowClient as MlflowClient

LINE = "rounds.line"
"""Tag of the experiment with the rounds of a line: the line's name."""

LONGEST_TAG = 8000
"""Maximum length of a tag's text in MLflow, in characters."""

MOST_PARAMS = 100
"""MLflow's limit of parameters or tags per request."""


class NoFiles(RoundsError):
    """A run's files are missing from MLflow's artifact store."""


def find_experiment(store: "MlflowClient", name: str) -> str | None:
    """The id of an experiment; None if there is none."""
    existing = store.get_experiment_by_name(name)
    return None if existing is None else str(existing.experiment_id)


def rounds_experiment(store: "MlflowClient", line: ModelLine, root: Path, tags: Mapping[str, str] | None = None) -> str:
    """The id of the experiment with the rounds of a line, created with these further tags if missing."""
    return experiment(store, line.rounds, root, {**rounds_view.tags(), LINE: line.name, **(tags or {})})


def experiment(store: "MlflowClient", name: str, root: Path, tags: Mapping[str, str] | None = None) -> str:
    """The id of an experiment, created with these tags if missing."""
    from mlflow.exceptions import MlflowException

    if existing := find_experiment(store, name):
        return existing
    # a server has its own artifact store; for a local database artifacts are stored in the workspace
    artifacts = None if served(uri(root)) else urls.folder(Workspace(root).artifacts)
    try:
        return str(store.create_experiment(name, artifact_location=artifacts, tags=dict(tags or {})))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return experiment(store, name, root, tags)  # another process has created it in the meantime


def knows(store: "MlflowClient", run_id: str) -> bool:
    """Whether the store has a run, deleted ones included."""
    from mlflow.exceptions import MlflowException

    try:
        store.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def find_or_create(
    store: "MlflowClient", experiment_id: str, name: str, identity: Mapping[str, str], tags: Mapping[str, str]
) -> str:
    """The id of the run whose tags match `identity`: an existing run is reopened, otherwise one is created."""
    condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in identity.items())
    for run in store.search_runs([experiment_id], condition, max_results=1):
        store.update_run(run.info.run_id, status="RUNNING")
        set_tags(store, run.info.run_id, tags)
        return str(run.info.run_id)
    return str(store.create_run(experiment_id, run_name=name, tags=_noted({**identity, **tags})).info.run_id)


def download(store: "MlflowClient", run_id: str, folder: str, into: str) -> Path:
    """Copy a folder of a run's artifacts below the folder `into`; returns the path of the copy.

    Raises:
        NoFiles: MLflow has no such folder, or cannot read it.
    """
    from mlflow.exceptions import MlflowException

    try:
        return Path(store.download_artifacts(run_id, folder, into))
    except (MlflowException, OSError) as error:
        if known := outages.explained(error):
            raise known from error
        raise NoFiles(
            f"run {run_id} has no folder {folder}/ in MLflow; restore the artifact store from a backup: {error}"
        ) from error


def experiment_of(store: "MlflowClient", run_id: str) -> str | None:
    """The name of the experiment that has the run; None if the server does not know the run."""
    from mlflow.exceptions import MlflowException

    try:
        run = store.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return str(store.get_experiment(run.info.experiment_id).name)


def began_at(store: "MlflowClient", run_id: str) -> int:
    """Start time of a run in milliseconds since 1970; reopening the run does not change it."""
    return int(store.get_run(run_id).info.start_time)


def abandon(root: Path, line: ModelLine, key: str) -> None:
    """End the run of a discarded round, and the runs of its steps, if a kill left them open.

    Raises:
        NoTracking: see `client`.
    """
    store = client(root)
    rounds = rounds_experiment(store, line, root)
    for run in store.search_runs([rounds], f"tags.round_key = '{key}'"):
        steps = store.search_runs([rounds], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
        for unfinished in [run, *steps]:
            if unfinished.info.status == "RUNNING":
                store.set_terminated(unfinished.info.run_id, "KILLED")


def set_tags(store: "MlflowClient", run_id: str, values: Mapping[str, str]) -> None:
    """Set tags on a run."""
    from mlflow.entities import RunTag

    store.log_batch(run_id, tags=[RunTag(key, value) for key, value in _noted(values).items()])


def _noted(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: noted(value, LONGEST_TAG) for key, value in tags.items()}
