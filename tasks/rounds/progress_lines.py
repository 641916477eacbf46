"""Progress of a round as log lines, for CI, nohup and workers, where there is no terminal for a progress bar."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from core.log import Log
from evaluation.drift import ALARMS
from evaluation.evals.votes import WIN_RATE
from feedback.measured import (
    COLLECT_ANSWERS,
    CURATE_HOLDOUT,
    CURATE_TRAIN,
    INGEST_NEW,
    INGEST_QUARANTINED,
    VOTE_CAST,
)
from models.measured import (
    POLICY_OBJECTIVE_KL,
    POLICY_OBJECTIVE_SCORE,
    REWARD_ACCURACY,
    REWARD_LOSS,
    SAMPLE_ANSWERS,
    SFT_LOSS,
)

SHOWN = (
    *(COLLECT_ANSWERS, INGEST_NEW, INGEST_QUARANTINED, CURATE_TRAIN, CURATE_HOLDOUT),
    *(SFT_LOSS, REWARD_LOSS, REWARD_ACCURACY, POLICY_OBJECTIVE_SCORE, POLICY_OBJECTIVE_KL),
    *(SAMPLE_ANSWERS, VOTE_CAST, WIN_RATE, ALARMS),
)
"""The metrics shown beside a step; all metrics are in MLflow."""

PAUSE = timedelta(minutes=1)
"""Minimum time between two progress lines of a step."""


class Clock:
    """The time of day on this machine."""

    def now(self) -> datetime:
        """The local time, with its zone."""
        return datetime.now().astimezone()


class ProgressLines:
    """Writes a line at the end of each step, and at most one per minute while it runs.

    Calling it with a title and a step ends the previous step and returns the log of the new one.
    """

    def __init__(self, write: Callable[[str], None], clock: Clock | None = None) -> None:
        self._write = write
        self._clock = clock or Clock()
        self._step: _Step | None = None

    def __call__(self, title: str, step: str) -> Log:
        """End the previous step and begin this one."""
        self.end()
        self._step = _Step(title, step, self._write, self._clock)
        return self._step

    def end(self, outcome: str = "took") -> None:
        """End the running step, if there is one. `outcome` is followed by the duration."""
        if self._step:
            self._step.end(outcome)
        self._step = None


class _Step:
    """The lines of one step; implements `Log`."""

    def __init__(self, title: str, step: str, write: Callable[[str], None], clock: Clock) -> None:
        self._title, self._step, self._write, self._clock = title, step, write, clock
        self._began = self._wrote = clock.now()
        self._first: tuple[int, datetime] | None = None
        self._total: int | None = None
        self._numbers = ""
        self._ended = False

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Record progress, and write a line if the last one is at least `PAUSE` old."""
        if total == 0:
            self.end("done before")
            return
        now = self._clock.now()
        self._numbers = numbers(self._step, metrics) or self._numbers
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
            summary = f"{outcome} {_duration(self._clock.now() - self._began)}"
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
        self._write(f"{self._clock.now():%H:%M:%S} {self._title}: {text}")


def numbers(step: str, metrics: Mapping[str, float]) -> str:
    """Those metrics of a step that are in `SHOWN`, as text."""
    shown = {metric: metrics[metric] for metric in SHOWN if metric.step == step and metric in metrics}
    return "  ".join(f"{metric.rpartition('/')[2]} {_short(value)}" for metric, value in shown.items())


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"


def _duration(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"
