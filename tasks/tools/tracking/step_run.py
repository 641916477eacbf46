"""The MLflow run of one step, to which its metrics are sent while it runs; an outage of MLflow does not stop it."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from tasks.state.metric_points import ReportedMetrics
from tasks.tools.tracking.experiments import find_or_create, set_tags

if TYPE_CHECKING:  # importing MLflow takes seconds, so functions import it
    from mlflow import MlflowClient as MlflowClient

Status = Literal["FINISHED", "FAILED", "KILLED"]

SEND_EVERY = 2.0
"""Seconds between two calls to MLflow; one call takes 15 to 140 ms."""

RETRY_AFTER = 60.0
"""Seconds before the next attempt if a server did not answer; each attempt delays training by about 3 s."""

MOST_METRICS = 1000
"""MLflow's limit of metrics per request."""

_logger = logging.getLogger(__name__)


class ParentRun(Protocol):
    """The run of the round that a step belongs to."""

    @property
    def store(self) -> "MlflowClient":
        """MLflow's client."""
        ...

    @property
    def experiment(self) -> str:
        """Id of its experiment."""
        ...

    @property
    def run_id(self) -> str:
        """Its id."""
        ...

    @property
    def round(self) -> int:
        """The number of the round."""
        ...

    @property
    def metrics_folder(self) -> Path:
        """The folder in which the steps of the round store their metrics."""
        ...


class StepRun:
    """The child run of one step, and a `Log` for it.

    Each call first appends a line to `data/metrics/<step>.jsonl`; the lines are sent to MLflow together. If MLflow
    does not answer, the step continues, one warning is logged, and sending is retried, at the latest when the round
    closes (`deliver`).
    """

    def __init__(self, parent: ParentRun, name: str) -> None:
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
        return run_of_step(self._parent, self.name)

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Log metrics at `step` (from 0) of `total`; their names get the prefix `<step's name>/`."""
        self._reported.add({f"{self.name}/{key}": float(value) for key, value in metrics.items()}, step, total)
        if time.monotonic() >= self._due:
            with self._tolerating_outage():
                _send(self._parent, self.run_id, self._reported)
                self._due = time.monotonic() + SEND_EVERY

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags of the run."""
        with self._tolerating_outage():
            set_tags(self._parent.store, self.run_id, values)

    def close(self, status: Status = "FINISHED") -> None:
        """Send unsent metrics and end the run."""
        with self._tolerating_outage():
            end(self._parent, self.run_id, self._reported, status)

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


def run_of_step(parent: ParentRun, name: str) -> str:
    """The id of the run of a step, which is created or reopened."""
    identity = {"mlflow.parentRunId": parent.run_id, "step": name}
    return find_or_create(parent.store, parent.experiment, name, identity, {"round": str(parent.round)})


def _send(parent: ParentRun, run_id: str, reported: ReportedMetrics) -> None:
    from mlflow.entities import Metric

    while waiting := reported.unsent[:MOST_METRICS]:
        points = [Metric(point.name, point.value, point.at, point.step) for point in waiting]
        parent.store.log_batch(run_id, metrics=points)
        reported.sent(len(waiting))


def end(parent: ParentRun, run_id: str, reported: ReportedMetrics, status: Status) -> None:
    """Send the unsent metrics of a step, and end its run."""
    _send(parent, run_id, reported)
    parent.store.set_terminated(run_id, status)
    if status == "FINISHED":
        reported.close()
