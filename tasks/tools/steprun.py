"""Metrics of a step while it runs: on disk first, then to MLflow in batches. A dead server never stops a training."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from tasks.state.reported import Reported
from tasks.tools.tracking import RoundRun, Status, find_or_make

SEND_EVERY = 2.0
"""Seconds between two batches: one call to MLflow costs 15 to 140 ms."""

RETRY_AFTER = 60.0
"""Seconds to leave a server alone that did not answer: each attempt costs the training about 3 s."""

MOST_METRICS = 1000
"""MLflow takes no more in one request."""

_logger = logging.getLogger(__name__)


class StepRun:
    """The child run of one step, and a `Log` for it.

    Each call adds a line to `data/metrics/<step>.jsonl` before anything else; MLflow gets the lines in batches. Where
    MLflow does not answer, the step goes on, one warning is written, and what was not sent is tried again later, at
    the latest when the round closes (`deliver`).
    """

    def __init__(self, parent: RoundRun, name: str) -> None:
        self.name = name
        self._parent = parent
        self._reported = Reported(parent.metrics_folder, name)
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


def deliver(parent: RoundRun, name: str) -> None:
    """Send what MLflow has not heard of a finished step: it was away, or a kill came between the step and its word.

    Raises:
        MlflowException: it is still away.
    """
    reported = Reported(parent.metrics_folder, name)
    if not reported.closed:
        _end(parent, _run_id(parent, name), reported, "FINISHED")


def _run_id(parent: RoundRun, name: str) -> str:
    identity = {"mlflow.parentRunId": parent.run_id, "step": name}
    return find_or_make(parent.store, parent.experiment, name, identity, {"round": str(parent.round)})


def _send(parent: RoundRun, run_id: str, reported: Reported) -> None:
    while waiting := reported.unsent[:MOST_METRICS]:
        points = [Metric(point.name, point.value, point.at, point.step) for point in waiting]
        parent.store.log_batch(run_id, metrics=points)
        reported.sent(len(waiting))


def _end(parent: RoundRun, run_id: str, reported: Reported, status: Status) -> None:
    _send(parent, run_id, reported)
    parent.store.set_terminated(run_id, status)
    if status == "FINISHED":
        reported.close()
