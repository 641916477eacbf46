"""What the steps of a round left for others to read: their reports with metrics, and the time they took."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainSerializer

from core.files import read_json, write_json
from core.stored import Stored, Value
from evaluation.statistics.annotators import AnnotatorAgreement
from feedback.terms import Origin, UsageTerms
from tasks.state.round import Round

Numbers = dict[str, int | float]
"""Metrics by name. Counts stay whole numbers."""


def _object(value: Any) -> dict[str, Any]:
    return dict(value._asdict())


AS_OBJECT = PlainSerializer(_object)
"""For a field that is a NamedTuple: a JSON object, where pydantic would write a list."""


class StepReport(Stored):
    """The report of a step. Those that hold more than metrics have a class of their own below."""

    metrics: Numbers


class CurateReport(StepReport):
    """What models of this round learn from."""

    kinds: dict[str, int] = Field(default_factory=dict)
    """Kind of feedback → events."""
    sources: dict[str, Annotated[Origin, AS_OBJECT]] = Field(default_factory=dict)
    terms: Annotated[UsageTerms, AS_OBJECT]


class RewardReport(StepReport):
    """Reward model and judge, and how far annotators agree with them."""

    annotators: tuple[Annotated[AnnotatorAgreement, AS_OBJECT], ...] = ()


class Example(Value):
    """The answers of champion and candidate to one held-out prompt."""

    prompt: str
    before: str
    after: str


class EvaluateReport(StepReport):
    """What was measured about the candidate."""

    examples: tuple[Example, ...] = ()
    calibration: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """The reliability diagram of the reward model, column by column."""


class Seconds(Value):
    """How long a step took."""

    wall: float
    """The whole step."""
    learning: float
    """Of it learning, sampling and judging."""


def metrics(round: Round, steps: Sequence[str]) -> Numbers:
    """The metrics that the steps reported, each under its step's name: `evaluate/win_rate`."""
    found: Numbers = {}
    for step in steps:
        path = round.workspace.report(step)
        if path.exists():
            found |= {f"{step}/{name}": value for name, value in StepReport.load(path).metrics.items()}
    return found


def times(round: Round) -> dict[str, Seconds]:
    """How long each step took. Steps that ran without a flow, and not in a replay, were not timed."""
    path = round.workspace.times
    return {step: Seconds.from_json(took, str(path)) for step, took in _read(path).items()}


def note_time(round: Round, step: str, wall: float, learning: float) -> None:
    """Keep how long a step took."""
    spent = {**times(round), step: Seconds(wall=wall, learning=learning)}
    write_json(round.workspace.times, {name: took.to_json() for name, took in spent.items()})


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
