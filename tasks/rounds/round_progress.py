"""How far the open round is, from its files alone: any process can look, without a server and without a lock."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Literal, NamedTuple

from core.errors import Damaged
from tasks.people.pending import pending
from tasks.rounds.progress_lines import numbers
from tasks.state import metric_points, records, usage
from tasks.state import round as rounds
from tasks.state.lock import holder
from tasks.state.records import RoundRecord
from tasks.state.reports import Seconds, times
from tasks.state.steps import BOOTSTRAP, STEPS
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace

Activity = Literal["runs", "waits", "stands still"]
"""A process computes; people are asked; or neither, because it was interrupted, and `rounds round` continues it."""

EARLIER = 5
"""Earlier rounds whose times give the expected times of the steps."""


class StepProgress(NamedTuple):
    """The step that began last."""

    name: str
    ended: bool
    part: tuple[int, int] | None
    """How many of how many parts are done; None if it has ended, or has reported none."""
    numbers: str
    """Its main metrics, as text."""
    seconds: float
    """How long it has run, killed attempts included."""
    expected: float | None
    """How long it took in earlier rounds, in seconds; None if it never ran."""
    machine: str | None = None
    """Host name of the worker that runs it, or ran it last; None if the process of the round does."""


class OpenRoundState(NamedTuple):
    """The open round."""

    number: int
    activity: Activity
    opened: datetime
    step: StepProgress | None
    """None before the first step."""
    done: int
    """Steps that have ended or were skipped."""
    steps: int
    """Steps of this round."""
    wait: str
    """What the round waits for and what to do; empty if it waits for nobody."""
    awaits_approval: bool
    """It waits for a person who approves its candidate, and nobody has decided."""
    end: datetime | None
    """When it is expected to end; None if it does not run, or no earlier round had its steps."""


def read(workspace: Workspace, now: datetime, earlier: Sequence[RoundRecord] | None = None) -> OpenRoundState | None:
    """The open round; None if no round is open.

    Args:
        workspace: its workspace.
        now: with a time zone.
        earlier: records whose times give the expected end, oldest first; by default those of the last rounds.

    Raises:
        Damaged: a file of the round is incomplete or invalid.
    """
    if not records.unfinished(workspace):
        return None
    inputs, opened = rounds.inputs(workspace), datetime.fromisoformat(rounds.circumstances(workspace).at)
    wait, runs = pending(workspace), holder(workspace.lock) is not None
    activity: Activity = "runs" if runs else "waits" if wait else "stands still"
    names = STEPS if inputs.number else BOOTSTRAP
    expected = expected_seconds(_last(workspace) if earlier is None else earlier)
    step = _step(workspace, names, now, runs, expected)
    position = names.index(step.name) if step else 0
    rest = names[position + 1 :] if step else names
    end = _end(step, rest, expected, now) if runs else None
    done = position + step.ended if step else 0
    undecided = wait is not None and wait.wait.what == "approval" and not wait.ready
    return OpenRoundState(inputs.number, activity, opened, step, done, len(names), str(wait or ""), undecided, end)


def expected_seconds(earlier: Sequence[RoundRecord]) -> dict[str, float]:
    """Step → median of its times in the last rounds, 0 if they skipped it; only steps that some of them could run.

    Args:
        earlier: records of rounds, oldest first. Round 0 has fewer steps, and does not count.
    """
    whole = [record.times for record in earlier if record.number][-EARLIER:]
    if not whole:
        return {}
    return {step: _usual(step, whole) for step in STEPS}


def _usual(step: str, whole: Sequence[Mapping[str, Seconds]]) -> float:
    took = [seconds[step].wall for seconds in whole if step in seconds]
    return median(took) if took else 0.0


def _last(workspace: Workspace) -> list[RoundRecord]:
    return [records.read(workspace, number) for number in records.numbers(workspace)[-EARLIER:]]


def _step(
    workspace: Workspace, names: Sequence[str], now: datetime, runs: bool, expected: Mapping[str, float]
) -> StepProgress | None:
    """The last step that has begun: each one makes its file of metrics when it begins."""
    if metric_points.owner(workspace.metrics) != rounds.key(workspace, rounds.circumstances(workspace).code):
        return None  # the metrics are those of the round before
    begun = [name for name in names if name in metric_points.steps(workspace.metrics)]
    if not begun:
        return None
    name = begun[-1]
    latest = metric_points.latest(workspace.metrics, name)
    ended = name in times(rounds.read(workspace))
    part = (latest.step + 1, latest.total) if latest.step is not None and latest.total and not ended else None
    metrics = {metric.partition("/")[2]: value for metric, value in latest.values.items()}
    used = _used(workspace, name)
    seconds = _seconds(workspace, used, now, runs and not ended)
    return StepProgress(name, ended, part, numbers(name, metrics), seconds, expected.get(name), used.machine)


def _used(workspace: Workspace, name: str) -> StepUsage:
    """What was stored of a step."""
    with suppress(FileNotFoundError, Damaged):
        return usage.read(workspace).get(name, StepUsage())
    return StepUsage()


def _seconds(workspace: Workspace, used: StepUsage, now: datetime, running: bool) -> float:
    """What was stored, and the time since if the step still runs."""
    with suppress(FileNotFoundError):
        since = now - datetime.fromtimestamp(workspace.usage.stat().st_mtime, UTC)
        return used.wall + (max(since.total_seconds(), 0.0) if running else 0.0)
    return 0.0


def _end(
    step: StepProgress | None, rest: Sequence[str], expected: Mapping[str, float], now: datetime
) -> datetime | None:
    """Now, and what is left of this step and of the others; an overdue step is expected to end at once."""
    if any(name not in expected for name in rest) or (step and not step.ended and step.expected is None):
        return None
    left = max((step.expected or 0.0) - step.seconds, 0.0) if step and not step.ended else 0.0
    return now + timedelta(seconds=left + sum(expected[name] for name in rest))
