"""What a verdict rests on: the evidence the gates read, the finding of each, and the verdict they add up to."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, model_serializer, model_validator

from core.stored import Json
from evaluation.evals import Metrics, oracles
from evaluation.statistics.annotators import AnnotatorAgreement
from evaluation.statistics.intervals import Interval

Result = Literal["promote", "hold", "reject"]

MILDEST_FIRST: tuple[Result, ...] = ("promote", "hold", "reject")


def worst(results: Iterable[Result]) -> Result:
    """`reject` if any is, else `hold` if any is. Where nothing was looked at, it waits."""
    return max(results, key=MILDEST_FIRST.index, default="hold")


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Finding(_Value):
    """What one gate found."""

    gate: str
    result: Result
    reason: str
    """One sentence for people, with the numbers in it."""
    numbers: Metrics = {}
    """The numbers that decided, by name."""


class Verdict(_Value):
    """Whether a candidate becomes champion: the worst of its findings. Where nothing was looked at, it waits."""

    findings: tuple[Finding, ...] = ()
    bootstrap: bool = False
    """The first model of a workspace, which is promoted without a look: there was nothing to compare it with."""

    @property
    def result(self) -> Result:
        """`reject` if any gate rejects, else `hold` if any holds."""
        return "promote" if self.bootstrap else worst(finding.result for finding in self.findings)

    def with_finding(self, finding: Finding) -> "Verdict":
        """The same with one more finding."""
        return self.model_copy(update={"findings": (*self.findings, finding)})

    @model_serializer
    def to_json(self) -> Json:
        """As plain values, result first, for a JSON file."""
        told: Json = {"result": self.result, "findings": [finding.model_dump() for finding in self.findings]}
        return {**told, "bootstrap": True} if self.bootstrap else told

    @classmethod
    def from_json(cls, value: object) -> "Verdict":
        """Back from plain values. The result is derived anew: it can't contradict the findings."""
        return cls.model_validate(value)

    @model_validator(mode="before")
    @classmethod
    def _derived(cls, value: Any) -> Any:
        known = isinstance(value, Mapping)
        return {name: part for name, part in value.items() if name in cls.model_fields} if known else value


def admissible(metrics: Metrics) -> Metrics:
    """The numbers that a gate may lean on.

    Left out are those that are not finite (a comparison with NaN would let everything pass) and those that rest on the
    truth of a simulated world, which no real round knows (`Evaluation.oracle`).
    """
    return {name: number for name, number in metrics.items() if isfinite(number) and name not in oracles()}


class GateInputs(_Value):
    """All that a gate may look at. Names are prefixed by the step that measured: `evaluate/win_rate`."""

    candidate: Annotated[Metrics, AfterValidator(admissible)]
    champion: Annotated[Metrics, AfterValidator(admissible)] = {}
    """The champion's numbers of the round that made it; empty where it was not judged."""
    trust_judge: bool = False
    """Where there are no fresh votes, the judge model may stand in for them."""
    votes_asked: int = 0
    """Fresh votes that people were asked for; 0 where no person was."""
    licences: Mapping[str, int] = {}
    """Licence → events under it that reached training; empty where nobody looked."""
    consents: Mapping[str, int] = {}
    """The same by consent."""
    annotators: tuple[AnnotatorAgreement, ...] | None = None
    """How often each annotator agrees with models that did not learn from the same pairs; None where nobody looked."""
    seconds: float | None = None
    """What the steps took so far, by the clock; None where nobody looked at it."""


def interval(metrics: Metrics, name: str, count: str) -> Interval | None:
    """The interval that was reported as `name`, over `count` rows (also a name); None where it was not measured."""
    names = (name, f"{name}_low", f"{name}_high", count)
    if not all(part in metrics for part in names):
        return None
    estimate, low, high, rows = (metrics[part] for part in names)
    return Interval(estimate, low, high, int(rows))
