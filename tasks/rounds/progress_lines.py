"""Progress of a round as log lines, for CI, nohup and workers, where there is no terminal for a progress bar."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from core.log import Log

SHOWN = ("loss", "accuracy", "score", "kl", "reward", "new", "quarantined")
"""The metrics shown while a step runs, by the last part of their names; all metrics are in MLflow."""

PAUSE = timedelta(minutes=1)
"""Minimum time between two progress lines of a step."""


class Clock:
    """The time of day on this machine."""

    def now(self) -> datetime:
        """The local time, with its zone."""
        return datetime.now().astimezone()


class ProgressLines:
    """Writes a line at the start and at the end of each step, and at most one per minute in between.

    Calling it with a step's name ends the previous step and returns the log of the new one.
    """

    def __init__(self, write: Callable[[str], None], clock: Clock | None = None) -> None:
        self._write = write
        self._clock = clock or Clock()
        self._step: _Step | None = None

    def __call__(self, step: str) -> Log:
        """End the previous step and begin this one."""
        self.end()
        self._step = _Step(step, self._write, self._clock)
        return self._step

    def end(self, outcome: str = "finished") -> None:
        """End the running step, if there is one."""
        if self._step:
            self._step.end(outcome)
        self._step = None


class _Step:
    """The lines of one step; implements `Log`."""

    def __init__(self, name: str, write: Callable[[str], None], clock: Clock) -> None:
        self._name, self._write, self._clock = name, write, clock
        self._began = self._wrote = clock.now()
        self._first: tuple[int, datetime] | None = None
        self._total: int | None = None
        self._numbers = ""
        self._ended = False
        self._line("started")

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Record progress, and write a line if the last one is at least `PAUSE` old."""
        if total == 0:
            self.end("done before")
            return
        now = self._clock.now()
        self._numbers = numbers(metrics) or self._numbers
        if total and (self._first is None or total != self._total or step < self._first[0]):
            self._first, self._total = (step, now), total  # start of a loop, or of its continuation after a kill
        if now - self._wrote >= PAUSE:
            self._wrote = now
            self._line("; ".join(filter(None, [self._progress(step, now), self._numbers])) or "running")

    def end(self, outcome: str) -> None:
        """Write how the step ended and how long it took. Only the first call writes."""
        if self._ended:
            return
        self._ended = True
        if outcome == "done before":
            self._line(outcome)
        else:
            summary = f"{outcome} after {_duration(self._clock.now() - self._began)}"
            self._line("; ".join(filter(None, [summary, self._numbers])))

    def _progress(self, step: int, now: datetime) -> str:
        if not self._total or self._first is None:
            return ""
        first, since = self._first
        progress = f"{step + 1} of {self._total}"
        if step == first:
            return progress
        rest = (now - since) * (self._total - 1 - step) / (step - first)
        return f"{progress}, expected end {now + rest:%H:%M:%S}"

    def _line(self, text: str) -> None:
        self._write(f"{self._clock.now():%H:%M:%S} {self._name}: {text}")


def numbers(metrics: Mapping[str, float]) -> str:
    """The metrics in `SHOWN` as text, by the last part of their names."""
    short = {name.rpartition("/")[2]: value for name, value in metrics.items()}
    return "  ".join(f"{name} {short[name]:.4g}" for name in SHOWN if name in short)


def _duration(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"
