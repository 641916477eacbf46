"""The metrics that a step reported, on disk: each point once, and how many of them were sent to MLflow.

    data/metrics/policy.jsonl     one line per report: {"at": …, "step": 3, "total": 10, "policy/loss": 0.5, …}
    data/metrics/policy.sent      number of points sent to MLflow, and whether the step's run is closed

The files are authoritative and MLflow holds a copy. MLflow stores only one of several points with the same name, value,
time and step, so points that were sent just before a kill can safely be sent again.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from core.files import named, write_text
from core.stored import Stored
from tasks.state.workspace import reported

_OWNER = "round.txt"


class MetricPoint(NamedTuple):
    """The value of one metric at one step of a loop."""

    name: str
    value: float
    """NaN if the value was not finite, which JSON cannot represent."""
    at: int
    """Milliseconds since 1970."""
    step: int


TAIL = 65_536
"""Bytes at the end of a file that are read to find what was reported last."""


class LatestReport(NamedTuple):
    """What a step reported last."""

    step: int | None
    """None if it reported nothing yet."""
    total: int | None
    values: dict[str, float]
    """Full name → the last value of each metric among the last reports."""


_Line = dict[str, Any]
"""One report: `at`, `step`, `total`, and values by metric name."""


class _SentState(Stored):
    sent: int = 0
    closed: bool = False


class ReportedMetrics:
    """The points of one step of a round, stored in `folder`.

    A step that was killed runs again from its start or its last checkpoint and repeats earlier reports. The values are
    the same, because a round is a function of its frozen inputs. The first report of each value is kept.
    """

    def __init__(self, folder: Path, step: str) -> None:
        self.file = reported(folder, step)
        self._state_file = self.file.with_suffix(".sent")
        self._points = list(_points(_whole_lines(self.file)))
        self._known = {(point.name, point.step) for point in self._points}
        state = _SentState.load(self._state_file) if self._state_file.exists() else _SentState()
        self._sent, self.closed = state.sent, state.closed
        """True if MLflow has every point and the step's run was ended as FINISHED."""

    @property
    def unsent(self) -> list[MetricPoint]:
        """Points not confirmed as sent to MLflow, oldest first."""
        return self._points[self._sent :]

    def add(self, values: Mapping[str, float], step: int, total: int | None) -> None:
        """Append a line with the values that were not reported at this step before."""
        new = {name: value for name, value in values.items() if (name, step) not in self._known}
        if not new:
            return
        numbers = {name: value if math.isfinite(value) else None for name, value in new.items()}
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "step": step, "total": total, **numbers}
        with named(self.file), self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        self._points += _points([line])
        self._known |= {(name, step) for name in new}

    def open(self) -> None:
        """Mark the step as begun in this round."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.touch()
        self._save_state(self._sent, closed=False)

    def sent(self, count: int) -> None:
        """Record that `count` more points were sent to MLflow."""
        self._save_state(self._sent + count, self.closed)

    def close(self) -> None:
        """Record that all points were sent and the step's run was ended as FINISHED."""
        self._save_state(len(self._points), closed=True)

    def _save_state(self, sent: int, closed: bool) -> None:
        self._sent, self.closed = sent, closed
        _SentState(sent=sent, closed=closed).save(self._state_file)


def begin(folder: Path, key: str) -> None:
    """Assign `folder` to the round with this key. Metrics of another round are deleted; its own are kept."""
    if owner(folder) != key:
        shutil.rmtree(folder, ignore_errors=True)
        write_text(folder / _OWNER, key)


def owner(folder: Path) -> str | None:
    """The key of the round whose metrics are in `folder`; None if there is none."""
    file = folder / _OWNER
    return file.read_text(encoding="utf-8") if file.exists() else None


def steps(folder: Path) -> list[str]:
    """The steps that have begun in the round whose metrics are in `folder`."""
    return sorted(file.stem for file in folder.glob("*.jsonl"))


def latest(folder: Path, step: str) -> LatestReport:
    """What a step reported last. Only reads, so that a process that writes is not disturbed.

    Args:
        folder: of the metrics.
        step: name of the step.
    """
    lines = _last_lines(reported(folder, step))
    values = {
        name: math.nan if value is None else value
        for line in lines
        for name, value in line.items()
        if name not in ("at", "step", "total")
    }
    if not lines:
        return LatestReport(None, None, {})
    return LatestReport(lines[-1]["step"], lines[-1]["total"], values)


def _last_lines(file: Path) -> list[_Line]:
    if not file.exists():
        return []
    with file.open("rb") as stream:
        start = max(stream.seek(0, 2) - TAIL, 0)
        stream.seek(start)
        whole = stream.read().rpartition(b"\n")[0]
    lines = whole.splitlines()
    return [json.loads(line) for line in (lines[1:] if start else lines)]


def _whole_lines(file: Path) -> list[_Line]:
    """The complete lines of a file. A last line left half written by a full disk or a power cut is removed."""
    if not file.exists():
        return []
    whole, newline, torn = file.read_bytes().rpartition(b"\n")
    if torn:
        with file.open("r+b") as lines:
            lines.truncate(len(whole + newline))
    return [json.loads(line) for line in whole.splitlines()]


def _points(lines: list[_Line]) -> Iterator[MetricPoint]:
    for line in lines:
        at = round(datetime.fromisoformat(line["at"]).timestamp() * 1000)
        for name, value in line.items():
            if name not in ("at", "step", "total"):
                yield MetricPoint(name, math.nan if value is None else value, at, line["step"])
