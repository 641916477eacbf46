"""Metrics of a step while it runs: on disk first, then to MLflow in batches. A dead server never stops a training."""

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from tasks.tracking import RoundRun, Status, find_or_make

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
    MLflow does not answer, the step goes on, one warning is written, and what was not sent is tried again later.
    """

    def __init__(self, parent: RoundRun, name: str) -> None:
        self.name = name
        self.file = parent.root / "data" / "metrics" / f"{name}.jsonl"
        self._parent = parent
        self._waiting: list[Metric] = []
        self._due = time.monotonic() + SEND_EVERY
        self._warned = False
        with self._forgiving():
            _ = self.run_id  # made now, so that the run's start is the step's

    @cached_property
    def run_id(self) -> str:
        """The child run, made or opened again."""
        parent = self._parent
        identity = {"mlflow.parentRunId": parent.run_id, "step": self.name}
        return find_or_make(parent.store, parent.experiment, self.name, identity, {"round": str(parent.round)})

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Log metrics at `step` (from 0) of `total`; `<step's name>/` goes before their names."""
        values = {f"{self.name}/{key}": float(value) for key, value in metrics.items()}
        self._write(values, step, total)
        now = time.time_ns() // 1_000_000
        self._waiting += [Metric(key, value, now, step) for key, value in values.items()]
        if time.monotonic() >= self._due:
            self._send()

    def close(self, status: Status = "FINISHED") -> None:
        """Send what waits and end the run."""
        self._send()
        with self._forgiving():
            self._parent.store.set_terminated(self.run_id, status)

    def _write(self, values: Mapping[str, float], step: int, total: int | None) -> None:
        # JSON has no NaN
        numbers = {key: value if math.isfinite(value) else None for key, value in values.items()}
        line = {"at": datetime.now(UTC).isoformat(), "step": step, "total": total, **numbers}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")

    def _send(self) -> None:
        with self._forgiving():
            while self._waiting:
                self._parent.store.log_batch(self.run_id, metrics=self._waiting[:MOST_METRICS])
                del self._waiting[:MOST_METRICS]
            self._due = time.monotonic() + SEND_EVERY

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            self._due = time.monotonic() + RETRY_AFTER
            if not self._warned:
                _logger.warning("%s: MLflow does not answer; metrics are kept in %s\n%s", self.name, self.file, error)
            self._warned = True
