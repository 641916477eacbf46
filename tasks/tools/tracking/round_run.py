"""The MLflow run of a round: its parameters, final metrics, tags, files and pages."""

import json
import logging
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import nested, urls
from core.shown import noted, significant
from tasks.state.line import ModelLine
from tasks.state.metric_points import ReportedMetrics
from tasks.state.workspace import Workspace
from tasks.tools.tracking.address import run_page, uri
from tasks.tools.tracking.connection import client
from tasks.tools.tracking.experiments import MOST_PARAMS, began_at, find_or_create, rounds_experiment, set_tags
from tasks.tools.tracking.step_run import Status, StepRun, end, run_of_step

if TYPE_CHECKING:  # importing MLflow takes seconds, so functions import it
    from matplotlib.figure import Figure
    from mlflow import MlflowClient as MlflowClient

NOTE = "mlflow.note.content"
"""Tag with the description of a run, which the UI shows as Markdown."""

PREFECT_RUN = "prefect_run"
"""Tag with the address of the Prefect run that worked on the round last."""

_IN_PREFECT = "[Run in Prefect]("

LONGEST_PARAM = 500
"""Maximum length of a parameter's text in MLflow, in characters; round.yaml has the full text."""


_logger = logging.getLogger(__name__)


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
    def url(self) -> str | None:
        """The address of its page; None if no server is known that shows it."""
        return run_page(self.root, self.experiment, self.run_id)

    @property
    def page(self) -> str:
        """How to view the run: the address of its page, or the command that opens the local database."""
        if self.url:
            return self.url
        address = uri(self.root)
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

        Values have three significant digits, since MLflow's table of runs shows all that there are; the reports among
        the files of the run have the others.

        Their timestamp is the start of the run, so logging them again after a kill gives the same points.
        """
        from mlflow.entities import Metric

        began, at_step = began_at(self.store, self.run_id), self.round if step is None else step
        points = [Metric(key, significant(float(value)), began, at_step) for key, value in values.items()]
        self.store.log_batch(self.run_id, metrics=points)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        set_tags(self.store, self.run_id, values)

    def link_prefect(self, url: str) -> None:
        """Store the address of the Prefect run that works on the round, as a tag and as the first line of the note.

        If MLflow does not answer, a warning is logged: the round does not depend on it.
        """
        from mlflow.exceptions import MlflowException

        try:
            note = str(self.store.get_run(self.run_id).data.tags.get(NOTE, ""))
            rest = note.partition("\n\n")[2] if note.startswith(_IN_PREFECT) else note
            self.tags({PREFECT_RUN: url, NOTE: f"{_IN_PREFECT}{url})\n\n{rest}"})
        except MlflowException as error:
            _logger.warning("MLflow does not answer; the run was not linked to %s: %s", url, error)

    def artifact(self, path: Path, folder: str = "") -> None:
        """Store a copy of a file or folder as an artifact, inside `folder`."""
        self.store.log_artifact(self.run_id, str(path), folder or None)

    def text(self, text: str, path: str) -> None:
        """Store a text as the artifact `path`."""
        self.store.log_text(self.run_id, text, path)

    def tables(self, tables: Mapping[str, Sequence[Mapping[str, Any]]], folder: str) -> None:
        """Store rows as `<folder>/<name>.json`, which MLflow shows as tables. Existing tables are replaced.

        Numbers have three significant digits, since MLflow shows all that there are.

        MLflow's own `log_table` would append to the rows written before a kill.
        """
        for name, rows in tables.items():
            columns = list(rows[0]) if rows else []
            cells = [[_cell(row[column]) for column in columns] for row in rows]
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
            end(self, run_of_step(self, name), reported, "FINISHED")

    def finish(self, status: Status = "FINISHED") -> None:
        """End the run."""
        self.store.set_terminated(self.run_id, status)

    def give_up(self) -> None:
        """End the run as FAILED if MLflow answers. A second error must not hide the first one."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):
            self.finish("FAILED")


def _cell(value: Any) -> Any:
    return significant(value) if isinstance(value, float) else value


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Nested values as dotted name → short text: strings unchanged, others as JSON. Empty groups are left out."""
    return {name: _short(value) for name, value in nested.flat(values).items() if value != {}}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return noted(text, LONGEST_PARAM)
