"""Reports of the steps of a round: metrics, details and durations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainSerializer

from core.files import read_json, write_json
from core.stored import Json, Stored, Value
from evaluation.statistics.annotators import AnnotatorAgreement
from feedback.terms import Origin, UsageTerms
from tasks.state.round import Round

Numbers = dict[str, int | float]
"""Metrics by name. Counts are ints."""


def _object(value: Any) -> dict[str, Any]:
    return dict(value._asdict())


AS_OBJECT = PlainSerializer(_object)
"""For a NamedTuple field: serialised as a JSON object; pydantic would write a list."""


class StepReport(Stored):
    """The report of a step. Reports with more than metrics have their own class below."""

    metrics: Numbers


SAMPLING = ("collect", "policy", "sample")
"""The steps whose report says what sampled."""


class SampledReport(StepReport):
    """The report of a step that samples answers."""

    sampler: str = "local"
    """What sampled: `local`, or `vllm` with its version."""

    def to_json(self) -> Json:
        """Without `sampler` if the process of the round sampled, as in reports of rounds that knew of no other."""
        return {name: value for name, value in super().to_json().items() if (name, value) != ("sampler", "local")}


class CurateReport(StepReport):
    """The training data of this round."""

    kinds: dict[str, int] = Field(default_factory=dict)
    """Kind of feedback → number of events."""
    sources: dict[str, Annotated[Origin, AS_OBJECT]] = Field(default_factory=dict)
    terms: Annotated[UsageTerms, AS_OBJECT]
    left_out: Annotated[UsageTerms, AS_OBJECT] = UsageTerms({}, {})
    """Those of the events that state what is not allowed, and that were left out for it."""

    def to_json(self) -> Json:
        """Without `left_out` if nothing was left out, as in reports of rounds that knew of none."""
        values = super().to_json()
        return values if any(self.left_out) else {name: value for name, value in values.items() if name != "left_out"}


class RewardReport(StepReport):
    """Metrics of reward model and judge, and each annotator's agreement with the reward model."""

    annotators: tuple[Annotated[AnnotatorAgreement, AS_OBJECT], ...] = ()


class Example(Value):
    """The answers of champion and candidate to one held-out prompt."""

    prompt: str
    before: str
    after: str


class EvaluateReport(StepReport):
    """Metrics and examples of the candidate."""

    examples: tuple[Example, ...] = ()
    calibration: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """The reward model's reliability diagram: column → values."""


class Seconds(Value):
    """The duration of a step, in seconds."""

    wall: float
    """The whole step."""
    learning: float
    """The part spent on training, sampling and judging."""


def metrics(round: Round, steps: Sequence[str]) -> Numbers:
    """The metrics of the steps' reports, by step and name: `evaluate/win_rate`."""
    return metrics_in(round.workspace.reports, steps)


def metrics_in(folder: Path, steps: Sequence[str]) -> Numbers:
    """The same of a folder of reports, `<step>.json` each."""
    numbers: Numbers = {}
    for step in steps:
        path = folder / f"{step}.json"
        if path.exists():
            numbers |= {f"{step}/{name}": value for name, value in StepReport.load(path).metrics.items()}
    return numbers


def samplers(round: Round) -> list[str]:
    """What sampled in the steps of a round other than its own process: `vllm`, with its version."""
    paths = [round.workspace.report(step) for step in SAMPLING]
    return sorted({SampledReport.load(path).sampler for path in paths if path.exists()} - {"local"})


def times(round: Round) -> dict[str, Seconds]:
    """The duration of each step. Only steps run by a flow or a replay are timed."""
    path = round.workspace.times
    return {step: Seconds.from_json(seconds, str(path)) for step, seconds in _read(path).items()}


def note_time(round: Round, step: str, wall: float, learning: float) -> None:
    """Store the duration of a step; `wall` and `learning` are in seconds."""
    durations = {**times(round), step: Seconds(wall=wall, learning=learning)}
    write_json(round.workspace.times, {name: seconds.to_json() for name, seconds in durations.items()})


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
