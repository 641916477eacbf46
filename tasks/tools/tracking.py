"""Runs and metrics: what a round did and how well, as MLflow shows it. A parent run a round, a child run a step."""

import json
import logging
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core import nested, urls
from core.errors import RoundsError
from tasks.state.lock import holding
from tasks.state.reported import ReportedMetrics
from tasks.state.workspace import Workspace
from tasks.tools import view

if TYPE_CHECKING:  # importing MLflow takes seconds: inside functions only
    from matplotlib.figure import Figure
    from mlflow import MlflowClient as MlflowClient
    from mlflow.entities import Run as Run

EXPERIMENT = "rounds"
Status = Literal["FINISHED", "FAILED", "KILLED"]

LONGEST_PARAM = 500
"""Characters of a parameter's text that are shown; round.yaml holds it whole."""

MOST_PARAMS = 100
"""MLflow takes no more parameters or tags in one request."""

SEND_EVERY = 2.0
"""Seconds between two batches: one call to MLflow costs 15 to 140 ms."""

RETRY_AFTER = 60.0
"""Seconds to leave a server alone that did not answer: each attempt costs the training about 3 s."""

MOST_METRICS = 1000
"""MLflow takes no more in one request."""

_logger = logging.getLogger(__name__)

_MANNERS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # a server that is down is noticed in 3 s; MLflow's own defaults wait for more than 85
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


class NoTracking(RoundsError):
    """MLflow does not answer, or refuses the address."""


class NoFiles(RoundsError):
    """A run's files are not in MLflow's store."""


def uri(root: Path) -> str:
    """Where runs and versions are kept: `MLFLOW_TRACKING_URI`, else a database file in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or urls.sqlite(root / "mlflow.db")


def client(root: Path) -> "MlflowClient":
    """A client for the workspace's runs and versions; makes tables and experiment at the first use.

    Raises:
        NoTracking: nothing answers at `uri(root)`.
    """
    for name, value in _MANNERS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient as MlflowClient
    from mlflow.entities import Run as Run

    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])  # where it was imported before
    with answering(root):
        store = MlflowClient(tracking_uri=uri(root), registry_uri=uri(root))
        # two first uses at once would both create the tables, and one of them would fail
        with holding(Workspace(root).mlflow_lock, "the first use of MLflow", wait=120):
            experiment(store, EXPERIMENT, root)
    return store


@contextmanager
def answering(root: Path) -> Iterator[None]:
    """A block that cannot do without MLflow.

    Raises:
        NoTracking: it did not answer, or refused.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        cure = "see that it can be written and that its disk has room"
        if _served(uri(root)):
            cure = f"start it, or unset MLFLOW_TRACKING_URI to keep runs in {root}/mlflow.db"
        raise NoTracking(f"{uri(root)}: MLflow does not answer; {cure}\n{error}") from error


def experiment(store: "MlflowClient", name: str, root: Path) -> str:
    """The id of an experiment, which is made where it is missing."""
    from mlflow.exceptions import MlflowException

    found = store.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # a server knows where its artifacts go; a database of ours keeps them beside itself
    artifacts = None if _served(uri(root)) else urls.folder(Workspace(root).artifacts)
    try:
        tags = view.tags() if name == EXPERIMENT else None
        return str(store.create_experiment(name, artifact_location=artifacts, tags=tags))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return experiment(store, name, root)  # somebody else made it just now


def find_or_make(
    store: "MlflowClient", home: str, name: str, identity: Mapping[str, str], tags: Mapping[str, str]
) -> str:
    """The id of the run in experiment `home` that carries the tags of `identity`: found and opened again, or made."""
    same = " and ".join(f"tags.`{key}` = '{value}'" for key, value in identity.items())
    for run in store.search_runs([home], same, max_results=1):
        store.update_run(run.info.run_id, status="RUNNING")
        _set_tags(store, run.info.run_id, tags)
        return str(run.info.run_id)
    return str(store.create_run(home, run_name=name, tags={**identity, **tags}).info.run_id)


def download(store: "MlflowClient", run_id: str, folder: str, into: str) -> Path:
    """A folder of a run's files, copied below `into`.

    Raises:
        NoFiles: MLflow has no such folder, or cannot read it.
    """
    from mlflow.exceptions import MlflowException

    try:
        return Path(store.download_artifacts(run_id, folder, into))
    except (MlflowException, OSError) as error:
        raise NoFiles(f"run {run_id} has no folder {folder}/ in MLflow: {error}") from error


def began_at(store: "MlflowClient", run_id: str) -> int:
    """When a run began, in milliseconds since 1970; opening it again does not change that."""
    return int(store.get_run(run_id).info.start_time)


def abandon(root: Path, key: str) -> None:
    """End the run of a round that is given up, and those of its steps, where a kill left them open.

    Raises:
        NoTracking: see `client`.
    """
    store = client(root)
    home = experiment(store, EXPERIMENT, root)
    for run in store.search_runs([home], f"tags.round_key = '{key}'"):
        steps = store.search_runs([home], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
        for each in [run, *steps]:
            if each.info.status == "RUNNING":
                store.set_terminated(each.info.run_id, "KILLED")


@dataclass(frozen=True)
class RoundRun:
    """The run of a round. Its children are the steps; it carries their final numbers, so that rounds compare."""

    root: Path
    store: "MlflowClient"
    experiment: str
    run_id: str
    round: int

    @classmethod
    def open(cls, root: Path, name: str, tags: Mapping[str, str]) -> "RoundRun":
        """The run of the round whose key is the tag `round_key`; opened twice, it is the same run.

        Args:
            root: the workspace.
            name: what the run list shows, as "round 3".
            tags: `round` (its number), `round_key`, and whatever else is worth a column.

        Raises:
            NoTracking: see `client`.
        """
        store = client(root)
        home = experiment(store, EXPERIMENT, root)
        run_id = find_or_make(store, home, name, {"round_key": tags["round_key"]}, tags)
        return cls(root, store, home, run_id, int(tags["round"]))

    @property
    def metrics_folder(self) -> Path:
        """Where the steps keep on disk what they report; of this round alone, by its key."""
        return Workspace(self.root).metrics

    @property
    def page(self) -> str:
        """Where to look at the run: its address on the server, or the command that shows a local database."""
        address = uri(self.root)
        if _served(address):
            return f"{address.rstrip('/')}/#/experiments/{self.experiment}/runs/{self.run_id}"
        return f"mlflow ui --backend-store-uri {shlex.quote(address)}"

    def params(self, values: Mapping[str, Any]) -> None:
        """Log nested parameters under dotted names."""
        from mlflow.entities import Param

        params = [Param(key, text) for key, text in texts(values).items()]
        for start in range(0, len(params), MOST_PARAMS):
            self.store.log_batch(self.run_id, params=params[start : start + MOST_PARAMS])

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log final numbers, by default at the round's number, so that a chart over rounds is one line.

        Logged again after a kill they are the same points: their time is the beginning of the run.
        """
        from mlflow.entities import Metric

        began, at = began_at(self.store, self.run_id), self.round if step is None else step
        points = [Metric(key, float(value), began, at) for key, value in values.items()]
        self.store.log_batch(self.run_id, metrics=points)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        _set_tags(self.store, self.run_id, values)

    def artifact(self, path: Path, folder: str = "") -> None:
        """Keep a copy of a file or folder with the run, inside `folder`."""
        self.store.log_artifact(self.run_id, str(path), folder or None)

    def text(self, text: str, path: str) -> None:
        """Keep a text with the run, at `path`."""
        self.store.log_text(self.run_id, text, path)

    def tables(self, found: Mapping[str, Sequence[Mapping[str, Any]]], folder: str) -> None:
        """Keep rows as `<folder>/<name>.json`, which MLflow shows as tables; kept again, they replace the old ones.

        MLflow's own `log_table` would add them to those of a closing that a kill cut short.
        """
        for name, rows in found.items():
            columns = list(rows[0]) if rows else []
            cells = [[row[column] for column in columns] for row in rows]
            self.text(json.dumps({"columns": columns, "data": cells}, ensure_ascii=False), f"{folder}/{name}.json")
        marks = [{"path": f"{folder}/{name}.json", "type": "table"} for name in found]
        if marks:
            self.tags({"mlflow.loggedArtifacts": json.dumps(marks)})

    def figure(self, figure: "Figure", name: str) -> None:
        """Keep a figure as `plots/<name>.png`."""
        self.store.log_figure(self.run_id, figure, f"plots/{name}.png")

    def dataset(self, name: str, path: Path, digest: str, context: str) -> None:
        """Name data that the round used or made, by the hash that DVC knows it by; no byte is copied.

        Args:
            name: how the data is called.
            path: where it lies.
            digest: DVC's MD5, at most 36 characters (a folder's ends in `.dir`); `search_runs` finds it.
            context: what it was used for, usually the step.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(name, digest, source_type="dvc", source=json.dumps({"path": str(path), "md5": digest}))
        self.store.log_inputs(self.run_id, [DatasetInput(data, [InputTag("mlflow.data.context", context)])])

    def step(self, name: str) -> "StepRun":
        """The child run of a step; opened twice, it is the same run."""
        return StepRun(self, name)

    def deliver(self, name: str) -> None:
        """Send what was not sent of a finished step, and end its run.

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
        """End the run as failed, if MLflow answers: whatever went wrong must not be hidden by a second error."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):
            self.finish("FAILED")


class StepRun:
    """The child run of one step, and a `Log` for it.

    Each call adds a line to `data/metrics/<step>.jsonl` before anything else; MLflow gets the lines in batches. Where
    MLflow does not answer, the step goes on, one warning is written, and what was not sent is tried again later, at
    the latest when the round closes (`deliver`).
    """

    def __init__(self, parent: RoundRun, name: str) -> None:
        self.name = name
        self._parent = parent
        self._reported = ReportedMetrics(parent.metrics_folder, name)
        self._due = time.monotonic() + SEND_EVERY
        self._warned = False
        self._reported.open()
        with self._forgiving():
            _ = self.run_id  # made now, so that the run's start is the step's

    @cached_property
    def run_id(self) -> str:
        """The child run, made or opened again."""
        return _run_id(self._parent, self.name)

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Log metrics at `step` (from 0) of `total`; `<step's name>/` goes before their names."""
        self._reported.add({f"{self.name}/{key}": float(value) for key, value in metrics.items()}, step, total)
        if time.monotonic() >= self._due:
            with self._forgiving():
                _send(self._parent, self.run_id, self._reported)
                self._due = time.monotonic() + SEND_EVERY

    def close(self, status: Status = "FINISHED") -> None:
        """Send what waits and end the run."""
        with self._forgiving():
            _end(self._parent, self.run_id, self._reported, status)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
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
    return find_or_make(parent.store, parent.experiment, name, identity, {"round": str(parent.round)})


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
    """Nested values under dotted names, as short texts: strings as they are, the rest as JSON. Empty groups go."""
    return {name: _short(value) for name, value in nested.flat(values).items() if value != {}}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_PARAM else text[: LONGEST_PARAM - 1] + "…"


def _served(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _set_tags(store: "MlflowClient", run_id: str, values: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    store.log_batch(run_id, tags=[RunTag(key, value) for key, value in values.items()])
