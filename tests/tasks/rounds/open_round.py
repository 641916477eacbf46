"""An open round made by hand, for tests of code that looks at its files."""

import os
from datetime import UTC, datetime, timedelta

from evaluation.verdict import Verdict
from tasks.state import metric_points, usage
from tasks.state import round as rounds
from tasks.state.inputs import Base, Inputs
from tasks.state.metric_points import ReportedMetrics
from tasks.state.opening_facts import OpeningFacts
from tasks.state.records import RoundRecord
from tasks.state.reports import Seconds
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace
from tests.tasks.state.recorded import record

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
CODE = "0" * 16


def opened(workspace: Workspace, number: int) -> None:
    """Open a round by hand, half an hour ago."""
    base = Base(name="scratch", digest="scratch")
    inputs = Inputs(number=number, seed=7, salt="", base=base, code=CODE, feedback="", params={})
    workspace.round.write_text(inputs.to_yaml())
    at = (NOW - timedelta(minutes=30)).isoformat()
    OpeningFacts(request="", code=CODE, inputs="", at=at, commit=None, dirty=False).save(workspace.opened)
    metric_points.begin(workspace.metrics, rounds.key(workspace, CODE))


def timed(number: int, **seconds: float) -> RoundRecord:
    """The record of a round whose steps took so long."""
    times = {step: Seconds(wall=wall, learning=0.0) for step, wall in seconds.items()}
    return record(number, str(number + 1), Verdict()).model_copy(update={"times": times})


def began(workspace: Workspace, step: str, wall: float, seconds_ago: float = 0.0) -> ReportedMetrics:
    """A step has begun, and had used so much when it was stored that many seconds ago."""
    reported = ReportedMetrics(workspace.metrics, step)
    reported.open()
    usage.note(workspace, step, StepUsage(wall=wall))
    at = (NOW - timedelta(seconds=seconds_ago)).timestamp()
    os.utime(workspace.usage, (at, at))
    return reported
