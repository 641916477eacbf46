"""How far a round is, as lines of a log: for CI, nohup and workers, where nobody watches a bar."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from core.log import Log

SHOWN = ("loss", "accuracy", "score", "kl", "reward", "new", "quarantined")
"""Metrics worth a look while a step works; the rest is in MLflow."""

PAUSE = timedelta(minutes=1)
"""Between two lines of a step that works."""


class Clock:
    """The time of day on this machine."""

    def now(self) -> datetime:
        """The local time, with its zone."""
        return datetime.now().astimezone()


class Lines:
    """A line at the start and at the end of each step, and at most one a minute while it works.

    Called with a step's name, it ends the step before and returns the new one's log.
    """

    def __init__(self, write: Callable[[str], None], clock: Clock | None = None) -> None:
        self._write = write
        self._clock = clock or Clock()
        self._step: _Step | None = None

    def __call__(self, step: str) -> Log:
        """Begin a step."""
        self.end()
        self._step = _Step(step, self._write, self._clock)
        return self._step

    def end(self, outcome: str = "finished") -> None:
        """End the step that works, if one does."""
        if self._step:
            self._step.end(outcome)
        self._step = None


class _Step:
    """One step's lines. It is a `Log`."""

    def __init__(self, name: str, write: Callable[[str], None], clock: Clock) -> None:
        self._name, self._write, self._clock = name, write, clock
        self._began = self._wrote = clock.now()
        self._first: tuple[int, datetime] | None = None
        self._total: int | None = None
        self._numbers = ""
        self._ended = False
        self._say("started")

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Note how far the step is, and say so where the last line is a minute old."""
        if total == 0:
            self.end("done before")
            return
        now = self._clock.now()
        self._numbers = numbers(metrics) or self._numbers
        if total and (self._first is None or total != self._total or step < self._first[0]):
            self._first, self._total = (step, now), total  # a loop begins here, or goes on after a kill
        if now - self._wrote >= PAUSE:
            self._wrote = now
            self._say("; ".join(filter(None, [self._progress(step, now), self._numbers])) or "works")

    def end(self, outcome: str) -> None:
        """Say how the step ended and how long it took; said once."""
        if self._ended:
            return
        self._ended = True
        if outcome == "done before":
            self._say(outcome)
        else:
            took = f"{outcome} after {_duration(self._clock.now() - self._began)}"
            self._say("; ".join(filter(None, [took, self._numbers])))

    def _progress(self, step: int, now: datetime) -> str:
        if not self._total or self._first is None:
            return ""
        first, since = self._first
        progress = f"{step + 1} of {self._total}"
        if step == first:
            return progress
        rest = (now - since) * (self._total - 1 - step) / (step - first)
        return f"{progress}, expected end {now + rest:%H:%M:%S}"

    def _say(self, text: str) -> None:
        self._write(f"{self._clock.now():%H:%M:%S} {self._name}: {text}")


def numbers(metrics: Mapping[str, float]) -> str:
    """The metrics worth showing, by the last part of their names."""
    short = {name.rpartition("/")[2]: value for name, value in metrics.items()}
    return "  ".join(f"{name} {short[name]:.4g}" for name in SHOWN if name in short)


def _duration(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"
