"""The inputs of the gates, their findings, and the verdict: the worst finding."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, model_serializer, model_validator

from core.stored import Json
from evaluation.evals import Metrics, is_oracle
from evaluation.statistics.annotators import AnnotatorAgreement
from evaluation.statistics.intervals import Interval

Result = Literal["promote", "hold", "reject"]

MILDEST_FIRST: tuple[Result, ...] = ("promote", "hold", "reject")


def worst(results: Iterable[Result]) -> Result:
    """`reject` if any result is, else `hold` if any is. Without results, `hold`."""
    return max(results, key=MILDEST_FIRST.index, default="hold")


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Finding(_Value):
    """The result of one gate."""

    gate: str
    result: Result
    reason: str
    """One sentence for people, with the numbers in it."""
    numbers: Metrics = {}
    """The numbers that the result is based on, by name."""


class Verdict(_Value):
    """Whether a candidate becomes champion: the worst of its findings. Without findings, `hold`."""

    findings: tuple[Finding, ...] = ()
    bootstrap: bool = False
    """The first model of a workspace, promoted without gates: there is no champion to compare it with."""

    @property
    def result(self) -> Result:
        """`reject` if any gate rejects, else `hold` if any holds."""
        return "promote" if self.bootstrap else worst(finding.result for finding in self.findings)

    def with_finding(self, finding: Finding) -> "Verdict":
        """A copy with one more finding."""
        return self.model_copy(update={"findings": (*self.findings, finding)})

    @model_serializer
    def to_json(self) -> Json:
        """As plain values, result first, for a JSON file."""
        value: Json = {"result": self.result, "findings": [finding.model_dump() for finding in self.findings]}
        return {**value, "bootstrap": True} if self.bootstrap else value

    @classmethod
    def from_json(cls, value: object) -> "Verdict":
        """Read plain values. The result is derived from the findings, whatever `result` says."""
        return cls.model_validate(value)

    @model_validator(mode="before")
    @classmethod
    def _ignore_derived(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: part for name, part in value.items() if name in cls.model_fields}


def admissible(metrics: Metrics) -> Metrics:
    """The numbers that gates may use.

    Omits numbers that are not finite (comparisons with NaN would let everything pass) and those that depend on the
    known utility of a simulation or a rule, which a round with people does not have (`Evaluation.oracle`).
    """
    return {name: number for name, number in metrics.items() if isfinite(number) and not is_oracle(name)}


class GateInputs(_Value):
    """Everything that gates may use. Metric names have their step as prefix: `evaluate/win_rate`."""

    candidate: Annotated[Metrics, AfterValidator(admissible)]
    champion: Annotated[Metrics, AfterValidator(admissible)] = {}
    """The champion's metrics from the round that trained it; empty if that round was not evaluated."""
    trust_judge: bool = False
    """Whether the judge model may replace fresh votes if there are none."""
    votes_asked: int = 0
    """Number of fresh votes requested from people; 0 if none were."""
    licences: Mapping[str, int] = {}
    """Licence → number of events under it used in training; empty if not counted."""
    consents: Mapping[str, int] = {}
    """Consent → number of events with it used in training; empty if not counted."""
    annotators: tuple[AnnotatorAgreement, ...] | None = None
    """How often each annotator agrees with models that were trained on other pairs; None if not measured."""
    seconds: float | None = None
    """Wall-clock time of the steps so far; None if not measured."""


def interval(metrics: Metrics, name: str, count: str) -> Interval | None:
    """The interval reported as metric `name`, over as many rows as metric `count` says; None if not measured."""
    names = (name, f"{name}_low", f"{name}_high", count)
    if not all(part in metrics for part in names):
        return None
    estimate, low, high, rows = (metrics[part] for part in names)
    return Interval(estimate, low, high, int(rows))
