"""Runs and metrics in MLflow: one parent run per round, one child run per step."""

import json
import logging
import os
import shlex
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core import nested, outages, urls
from core.errors import RoundsError
from core.files import unwritable
from core.shown import noted
from tasks.state.line import ModelLine
from tasks.state.lock import holding
from tasks.state.metric_points import ReportedMetrics
from tasks.state.workspace import Workspace
from tasks.tools import relocation, rounds_view

if TYPE_CHECKING:  # importing MLflow takes seconds, so functions import it
    from matplotlib.figure import Figure
    from mlflow import MlflowClient as MlflowClient
    from mlflow.entities import Run as Run

LINE = "rounds.line"
"""Tag of the experiment with the rounds of a line: the line's name."""

VARIABLE = "MLFLOW_TRACKING_URI"
FIRST_USE = "the first use of MLflow"
Status = Literal["FINISHED", "FAILED", "KILLED"]

LONGEST_PARAM = 500
"""Maximum length of a parameter's text in MLflow, in characters; round.yaml has the full text."""

LONGEST_TAG = 8000
"""Maximum length of a tag's text in MLflow, in characters."""

MOST_PARAMS = 100
"""MLflow's limit of parameters or tags per request."""

SEND_EVERY = 2.0
"""Seconds between two calls to MLflow; one call takes 15 to 140 ms."""

RETRY_AFTER = 60.0
"""Seconds before the next attempt if a server did not answer; each attempt delays training by about 3 s."""

MOST_METRICS = 1000
"""MLflow's limit of metrics per request."""

LOCKED = 20.0
"""Seconds that a command waits for another one that is writing to the database. MLflow waits as long at each call."""

_CURES = {
    "database is locked": f"another process has been writing to it for {LOCKED:.0f} s; try again when it has ended",
    "attempt to write a readonly database": "make the file and its folder writable; commands that read work there",
    "database or disk is full": "free some space on its disk, then type the command again",
    "unable to open database file": "make its folder, and let this user write there",
    "file is not a database": "restore it from a backup, or set MLFLOW_TRACKING_URI to another one",
    "database disk image is malformed": "restore it from a backup",
}
"""What SQLite says → what to do about it."""

_logger = logging.getLogger(__name__)

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # notice within 3 s that a server is down; with MLflow's defaults it takes more than 85 s
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


class NoTracking(RoundsError):
    """MLflow does not answer, or rejects the address."""


class NoFiles(RoundsError):
    """A run's files are missing from MLflow's artifact store."""


def uri(root: Path) -> str:
    """URI of the store of runs and versions: `MLFLOW_TRACKING_URI`, else a database file in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or urls.sqlite(Workspace(root).database)


def is_local(root: Path) -> bool:
    """Whether runs and versions are in the workspace's own database, which has one line of models."""
    return uri(root) == urls.sqlite(Workspace(root).database)


def exists(root: Path) -> bool:
    """False if the store is a database file that nobody has created yet: then there are no runs and no versions."""
    file = urls.sqlite_file(uri(root))
    return file is None or file.exists()


def client(root: Path) -> "MlflowClient":
    """A client for the workspace's runs and versions; creates the tables of a database at first use.

    A database that has its tables is only read, so that a workspace on a read-only disk can be looked at.

    Raises:
        NoTracking: nothing answers at `uri(root)`.
    """
    set_environment()
    from mlflow import MlflowClient as MlflowClient
    from mlflow.entities import Run as Run

    with answering(root):
        # two processes that create the tables at the same time would conflict; a server has created its own
        lock = holding(Workspace(root).mlflow_lock, FIRST_USE, wait=120)
        with lock if _makes_tables(root) else nullcontext():
            if _has_moved(root):
                relocation.readdress(Workspace(root))
            store = MlflowClient(tracking_uri=uri(root), registry_uri=uri(root))
            store.search_experiments(max_results=1)
    return store


def _has_moved(root: Path) -> bool:
    """Whether the workspace has another place than its database says, and can be written, so that this is corrected."""
    workspace = Workspace(root)
    if not is_local(root) or relocation.recorded_folders(workspace) in ([], [urls.folder(workspace.artifacts)]):
        return False
    return unwritable(workspace.data) is None


def _has_tables(address: str) -> bool:
    """Whether an SQLite database has MLflow's tables and its default experiment, which is made last."""
    file = urls.sqlite_file(address)
    if file is None or not file.exists():
        return False
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", timeout=LOCKED, uri=True)) as database:
        try:
            return bool(database.execute("SELECT 1 FROM experiments LIMIT 1").fetchall())
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return False
            raise


def set_environment() -> None:
    """Set how MLflow logs and retries, where the environment does not say so. Called before it is imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])  # in case MLflow was imported earlier
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # tracebacks of errors that are raised too


@contextmanager
def answering(root: Path) -> Iterator[None]:
    """Run a block that needs MLflow.

    Raises:
        NoTracking: MLflow did not answer, or reported an error.
    """
    try:
        yield
    except Exception as error:
        if known := explained(error, root):
            raise known from error
        raise


def explained(error: BaseException, root: Path) -> NoTracking | None:
    """The error in one sentence with its cure; None if neither MLflow nor its database raised it."""
    module = type(error).__module__
    if not module.startswith(("mlflow.", "sqlite3", "sqlalchemy.")):
        return None
    address, text = uri(root), str(error)
    reason = next((known for known in _CURES if known in text), None)
    if reason and not served(address):
        return NoTracking(f"{address}: {reason}; {_CURES[reason]}")
    cure = "check that its file is there, is a database of MLflow, and can be written"
    if served(address):
        cure = f"start it, or unset MLFLOW_TRACKING_URI to keep runs in {Workspace(root).database}"
    return NoTracking(f"{address}: MLflow does not answer; {cure}\n{text}")


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


@dataclass(frozen=True)
class RoundRun:
    """The MLflow run of a round. Steps are its child runs; it has their final metrics, so that rounds compare."""

    root: Path
    store: "MlflowClient"
    experiment: str
    run_id: str
    round: int

    @classmethod
    def open(cls, root: Path, line: ModelLine, name: str, tags: Mapping[str, str]) -> "RoundRun":
        """The run of the round with the key in the tag `round_key`. Opening it twice gives the same run.

        Args:
            root: the workspace.
            line: the line that the round belongs to.
            name: the name in the run list, such as "round 3".
            tags: `round` (its number), `round_key`, and any other tags.

        Raises:
            NoTracking: see `client`.
        """
        store = client(root)
        experiment_id = rounds_experiment(store, line, root)
        run_id = find_or_create(store, experiment_id, name, {"round_key": tags["round_key"]}, tags)
        return cls(root, store, experiment_id, run_id, int(tags["round"]))

    @property
    def metrics_folder(self) -> Path:
        """The folder in which the steps of this round store their metrics."""
        return Workspace(self.root).metrics

    @property
    def page(self) -> str:
        """How to view the run: its address on the server, or the command that opens the local database."""
        address = uri(self.root)
        if served(address):
            return f"{urls.without_secrets(address).rstrip('/')}/#/experiments/{self.experiment}/runs/{self.run_id}"
        if urls.without_secrets(address) != address:
            return 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'
        return f"mlflow ui --backend-store-uri {shlex.quote(address)}"

    def params(self, values: Mapping[str, Any]) -> None:
        """Log nested parameters, with dotted names."""
        from mlflow.entities import Param

        params = [Param(key, text) for key, text in texts(values).items()]
        for start in range(0, len(params), MOST_PARAMS):
            self.store.log_batch(self.run_id, params=params[start : start + MOST_PARAMS])

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log final metrics, by default with the round's number as step, so that a chart over rounds is one line.

        Their timestamp is the start of the run, so logging them again after a kill gives the same points.
        """
        from mlflow.entities import Metric

        began, at_step = began_at(self.store, self.run_id), self.round if step is None else step
        points = [Metric(key, float(value), began, at_step) for key, value in values.items()]
        self.store.log_batch(self.run_id, metrics=points)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        set_tags(self.store, self.run_id, values)

    def artifact(self, path: Path, folder: str = "") -> None:
        """Store a copy of a file or folder as an artifact, inside `folder`."""
        self.store.log_artifact(self.run_id, str(path), folder or None)

    def text(self, text: str, path: str) -> None:
        """Store a text as the artifact `path`."""
        self.store.log_text(self.run_id, text, path)

    def tables(self, tables: Mapping[str, Sequence[Mapping[str, Any]]], folder: str) -> None:
        """Store rows as `<folder>/<name>.json`, which MLflow shows as tables. Existing tables are replaced.

        MLflow's own `log_table` would append to the rows written before a kill.
        """
        for name, rows in tables.items():
            columns = list(rows[0]) if rows else []
            cells = [[row[column] for column in columns] for row in rows]
            self.text(json.dumps({"columns": columns, "data": cells}, ensure_ascii=False), f"{folder}/{name}.json")
        entries = [{"path": f"{folder}/{name}.json", "type": "table"} for name in tables]
        if entries:
            self.tags({"mlflow.loggedArtifacts": json.dumps(entries)})

    def figure(self, figure: "Figure", name: str) -> None:
        """Store a figure as `plots/<name>.png`."""
        self.store.log_figure(self.run_id, figure, f"plots/{name}.png")

    def dataset(self, path: str, digest: str, context: str) -> None:
        """Log a reference to data that the round used or wrote, by its DVC hash; the data is not copied.

        Args:
            path: its path in the workspace, which is its name in MLflow too.
            digest: DVC's MD5, at most 36 characters (a folder's ends in `.dir`); searchable with `search_runs`.
            context: its use, usually the name of the step.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(path, digest, source_type="dvc", source=json.dumps({"path": path, "md5": digest}))
        self.store.log_inputs(self.run_id, [DatasetInput(data, [InputTag("mlflow.data.context", context)])])

    def step(self, name: str) -> "StepRun":
        """The child run of a step. Opening it twice gives the same run."""
        return StepRun(self, name)

    def deliver(self, name: str) -> None:
        """Send the unsent metrics of a finished step, and end its run.

        Raises:
            MlflowException: MLflow does not answer.
        """
        reported = ReportedMetrics(self.metrics_folder, name)
        if not reported.closed:
            _end(self, _run_id(self, name), reported, "FINISHED")

    def finish(self, status: Status = "FINISHED") -> None:
        """End the run."""
        self.store.set_terminated(self.run_id, status)

    def give_up(self) -> None:
        """End the run as FAILED if MLflow answers. A second error must not hide the first one."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):
            self.finish("FAILED")


class StepRun:
    """The child run of one step, and a `Log` for it.

    Each call first appends a line to `data/metrics/<step>.jsonl`; the lines are sent to MLflow together. If MLflow
    does not answer, the step continues, one warning is logged, and sending is retried, at the latest when the round
    closes (`deliver`).
    """

    def __init__(self, parent: RoundRun, name: str) -> None:
        self.name = name
        self._parent = parent
        self._reported = ReportedMetrics(parent.metrics_folder, name)
        self._due = time.monotonic() + SEND_EVERY
        self._warned = False
        self._reported.open()
        with self._tolerating_outage():
            _ = self.run_id  # created now, so that the run starts when the step does

    @cached_property
    def run_id(self) -> str:
        """Id of the child run, which is created or reopened."""
        return _run_id(self._parent, self.name)

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Log metrics at `step` (from 0) of `total`; their names get the prefix `<step's name>/`."""
        self._reported.add({f"{self.name}/{key}": float(value) for key, value in metrics.items()}, step, total)
        if time.monotonic() >= self._due:
            with self._tolerating_outage():
                _send(self._parent, self.run_id, self._reported)
                self._due = time.monotonic() + SEND_EVERY

    def close(self, status: Status = "FINISHED") -> None:
        """Send unsent metrics and end the run."""
        with self._tolerating_outage():
            _end(self._parent, self.run_id, self._reported, status)

    @contextmanager
    def _tolerating_outage(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            self._due = time.monotonic() + RETRY_AFTER
            if not self._warned:
                _logger.warning(
                    "%s: MLflow does not answer; metrics are kept in %s and sent later\n%s",
                    self.name, self._reported.file, error,
                )  # fmt: skip
            self._warned = True


def _run_id(parent: RoundRun, name: str) -> str:
    identity = {"mlflow.parentRunId": parent.run_id, "step": name}
    return find_or_create(parent.store, parent.experiment, name, identity, {"round": str(parent.round)})


def _send(parent: RoundRun, run_id: str, reported: ReportedMetrics) -> None:
    from mlflow.entities import Metric

    while waiting := reported.unsent[:MOST_METRICS]:
        points = [Metric(point.name, point.value, point.at, point.step) for point in waiting]
        parent.store.log_batch(run_id, metrics=points)
        reported.sent(len(waiting))


def _end(parent: RoundRun, run_id: str, reported: ReportedMetrics, status: Status) -> None:
    _send(parent, run_id, reported)
    parent.store.set_terminated(run_id, status)
    if status == "FINISHED":
        reported.close()


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Nested values as dotted name → short text: strings unchanged, others as JSON. Empty groups are left out."""
    return {name: _short(value) for name, value in nested.flat(values).items() if value != {}}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return noted(text, LONGEST_PARAM)


def _makes_tables(root: Path) -> bool:
    """True if the first use may create tables, or correct addresses. From a folder that is no workspace, records are
    only read."""
    if served(uri(root)) or not (is_local(root) or Workspace(root).graph.exists()):
        return False
    return not _has_tables(uri(root)) or _has_moved(root)


def served(address: str) -> bool:
    """True for the address of a server, False for that of a database."""
    return address.startswith(("http://", "https://"))


def set_tags(store: "MlflowClient", run_id: str, values: Mapping[str, str]) -> None:
    """Set tags on a run."""
    from mlflow.entities import RunTag

    store.log_batch(run_id, tags=[RunTag(key, value) for key, value in _noted(values).items()])


def _noted(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: noted(value, LONGEST_TAG) for key, value in tags.items()}
