"""What a step reported, on disk: each point once, and how much of it MLflow has.

    data/metrics/policy.jsonl     a line a report: {"at": …, "step": 3, "total": 10, "policy/loss": 0.5, …}
    data/metrics/policy.sent      how many of its points MLflow has, and whether the step's run is closed

The lines are the truth and MLflow a copy of them: it keeps one of two points with the same name, value, time and step,
so that what was sent just before a kill can be sent again.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from core.files import write_text
from core.stored import Stored
from tasks.state.workspace import reported

_OWNER = "round.txt"


class MetricPoint(NamedTuple):
    """One number at one step of a loop."""

    name: str
    value: float
    """NaN for whatever is not finite: JSON knows neither."""
    at: int
    """Milliseconds since 1970."""
    step: int


_Line = dict[str, Any]
"""What a step said at once: `at`, `step`, `total`, and numbers by name."""


class _Mark(Stored):
    sent: int = 0
    closed: bool = False


class ReportedMetrics:
    """The points of one step of a round, kept in `folder`.

    A step that was killed is run again from its beginning or its checkpoint, and reports again what it reported
    before: the same numbers, since a round is a function of its frozen inputs. The first report of a number stands.
    """

    def __init__(self, folder: Path, step: str) -> None:
        self.file = reported(folder, step)
        self._mark = self.file.with_suffix(".sent")
        self._points = list(_points(_whole_lines(self.file)))
        self._known = {(point.name, point.step) for point in self._points}
        mark = _Mark.load(self._mark) if self._mark.exists() else _Mark()
        self._sent, self.closed = mark.sent, mark.closed
        """MLflow has every point, and has heard that the step ended well."""

    @property
    def unsent(self) -> list[MetricPoint]:
        """What MLflow may not have yet, oldest first."""
        return self._points[self._sent :]

    def add(self, values: Mapping[str, float], step: int, total: int | None) -> None:
        """Add a line with those numbers that were not reported at this step before."""
        new = {name: value for name, value in values.items() if (name, step) not in self._known}
        if not new:
            return
        numbers = {name: value if math.isfinite(value) else None for name, value in new.items()}
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "step": step, "total": total, **numbers}
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        self._points += _points([line])
        self._known |= {(name, step) for name in new}

    def open(self) -> None:
        """The step begins: from now on it is known to have run in this round."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.touch()
        self._note(self._sent, closed=False)

    def sent(self, count: int) -> None:
        """MLflow has `count` more of the points."""
        self._note(self._sent + count, self.closed)

    def close(self) -> None:
        """MLflow has all of them, and the step ended well."""
        self._note(len(self._points), closed=True)

    def _note(self, sent: int, closed: bool) -> None:
        self._sent, self.closed = sent, closed
        _Mark(sent=sent, closed=closed).save(self._mark)


def begin(folder: Path, key: str) -> None:
    """Make `folder` that of the round with this key: what another one reported goes, what this one did stays."""
    if owner(folder) != key:
        shutil.rmtree(folder, ignore_errors=True)
        write_text(folder / _OWNER, key)


def owner(folder: Path) -> str | None:
    """The key of the round whose metrics lie in `folder`."""
    file = folder / _OWNER
    return file.read_text(encoding="utf-8") if file.exists() else None


def steps(folder: Path) -> list[str]:
    """The steps that began in the round whose metrics lie in `folder`."""
    return sorted(file.stem for file in folder.glob("*.jsonl"))


def _whole_lines(file: Path) -> list[_Line]:
    """The lines of a file, which loses a last one that a full disk or a power cut left half written."""
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
