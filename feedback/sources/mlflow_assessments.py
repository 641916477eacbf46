"""What people said in MLflow about the traces of an application: thumbs, ratings, labels, better answers, pairs."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, PrivateAttr

from core.errors import BadFeedback
from feedback import lines, questions
from feedback.layouts import LIKE_A_PROMPT, spoken
from feedback.lines import Record
from feedback.paths import at
from feedback.questions import Question, Submission
from feedback.schema import FeedbackEvent, RejectedRecord, event_id
from feedback.sources import Intake, OpenTraces, RecordSource, TraceContent, Traces
from feedback.unicode_forms import normalise

COMPARED_WITH = "rounds.compared_with"
"""Key in the metadata of an assessment: the id of the trace with the other answer to the same prompt."""

Judge = Literal["HUMAN", "LLM_JUDGE", "CODE"]

_TYPES = {"HUMAN": "human", "LLM_JUDGE": "ai", "CODE": "rule"}
_UNNAMED = (None, "", "default")
"""Values of MLflow's `source_id` that name no person."""
_SIDES: dict[str, Any] = {
    "better": 0,
    "true": 0,
    "worse": 1,
    "false": 1,
    "tie": "tie",
    "skip": "skip",
    "tie_both_good": "tie_both_good",
    "tie_both_bad": "tie_both_bad",
}
"""Value of an assessment that compares its trace with another one → the better answer; 0 is that of its own trace."""
_BOOLEANS: dict[str, Any] = {"true": "good", "false": "bad"}
_PROMPTS = ("question", "prompt", "query", "input", "request", "text")
_ANSWERS = ("answer", "response", "output", "content", "text", "completion", "result")
_CHAT = ("choices[0].message.content", "message.content")


class _Assessed(NamedTuple):
    """An assessment, with those that it overrides."""

    trace_id: str
    assessment: Record
    others: Mapping[str, Record]
    """Id → assessment, of the same trace."""

    @property
    def identity(self) -> str:
        """Id of the assessment."""
        return str(self.assessment.get("assessment_id"))

    @property
    def feedback(self) -> bool:
        """False for an expectation."""
        return "feedback" in self.assessment

    @property
    def value(self) -> Any:
        """Its value."""
        part = self.assessment.get("feedback" if self.feedback else "expectation")
        return _value(part) if isinstance(part, Mapping) else None


class MlflowAssessments(RecordSource):
    """A boolean is a thumb, a text a label, and the expectation `expected_response` a correction of the answer.

    An assessment with the metadata `rounds.compared_with` compares its answer with that of another trace. One that
    overrides another supersedes it; one that is changed later corrects the one that is stored.
    """

    editable: ClassVar[bool] = True

    experiments: tuple[str, ...] = Field(min_length=1)
    """Names of the experiments with the traces."""
    tracking_uri: str | None = None
    """Address of the MLflow server; `null` for the one that has the rounds."""
    filter: str = ""
    """Condition on the traces in MLflow's syntax, such as `tags.app = 'support'`."""
    names: tuple[str, ...] = ()
    """Names of the assessments to read; empty for all."""
    source_types: tuple[Judge, ...] = ("HUMAN",)
    """Who gave the assessments to read."""
    prompt: str | None = None
    """Path of the prompt in the inputs of a trace; `null` for `messages`, a text, or a field such as `question`."""
    answer: str | None = None
    """Path of the answer in the outputs; `null` for a chat completion, a text, or a field such as `answer`."""
    questions: dict[str, Question] = Field(default_factory=dict)
    """Name of an assessment → how its values are read. Numbers need an entry with their `scale`, worst and best."""
    source: str = "mlflow"
    """Name of the events' source: one for each server, because ids are those of a server."""

    _open: OpenTraces | None = PrivateAttr(None)

    def reading(self, traces: OpenTraces) -> Self:
        """The source with access to traces."""
        copy = self.model_copy()
        copy._open = traces
        return copy

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All assessments, the oldest trace first."""
        defaults = {"source": self.source, **self.defaults(intake)}
        traces = self._traces()
        for assessed in self._assessed(traces):
            part = {"trace_id": assessed.trace_id, "assessment": assessed.assessment}
            where = f"{assessed.trace_id}/{assessed.identity}"
            yield from lines.converted(part, where, defaults, partial(self._records, assessed, traces))

    def check(self) -> None:
        """Check that the experiments exist."""
        next(iter(self._traces().assessed(self.experiments, self.filter)), None)

    def fingerprint(self) -> str:
        """A digest of the ids and times of all assessments."""
        states = [
            [one.assessment.get(name) for name in ("assessment_id", "last_update_time")]
            for one in self._assessed(self._traces())
        ]
        return hashlib.sha256(json.dumps(states).encode()).hexdigest()

    def _traces(self) -> Traces:
        if self._open is None:
            raise BadFeedback(
                "the source mlflow_assessments needs MLflow, which only a round opens; put it into `ingest.sources`"
            )
        return self._open(self.tracking_uri)

    def _assessed(self, traces: Traces) -> Iterator[_Assessed]:
        """The assessments to read: those that are valid, each after all that it overrides."""
        for trace in traces.assessed(self.experiments, self.filter):
            others = {str(one.get("assessment_id")): one for one in trace["assessments"]}
            overridden = {str(one.get("overrides")) for one in others.values()}  # MLflow's server omits `valid`
            read: dict[str, Record] = {}
            for identity, one in others.items():
                if self._is_wanted(one) and one.get("valid") is not False and identity not in overridden:
                    read |= {
                        str(older.get("assessment_id")): older for older in reversed([one, *_overridden(one, others)])
                    }
            yield from (_Assessed(str(trace["trace_id"]), one, others) for one in read.values())

    def _is_wanted(self, assessment: Record) -> bool:
        is_judgement = "feedback" in assessment or "expectation" in assessment
        named = not self.names or assessment.get("assessment_name") in self.names
        return is_judgement and named and _who(assessment)[0] in self.source_types

    def _records(self, assessed: _Assessed, traces: Traces, part: Record) -> list[dict[str, Any]]:
        """An assessment in the canonical form."""
        given = part["assessment"]
        if isinstance(feedback := given.get("feedback"), Mapping) and feedback.get("error"):
            raise BadFeedback("the assessment is an error, expected a value")
        name, pair = str(given.get("assessment_name")), _metadata(given).get(COMPARED_WITH)
        prompt, answers = self._pair(assessed, str(pair), traces) if pair else self._single(assessed, traces)
        reason = f"{name}/rationale"
        replies = {name: assessed.value, reason: given.get("rationale")}
        submission = Submission(
            identity=assessed.identity,
            prompt=prompt,
            answers=answers,
            replies={asked: value for asked, value in replies.items() if value is not None},
            skipped=False,
            fields=_fields(given),
            extra={"trace_id": assessed.trace_id, "assessment": _kept(given)},
        )
        asked = {name: self._question(name, assessed, bool(pair)), reason: Question(use="rationale")}
        records = questions.records(submission, asked)
        overridden = next(iter(_overridden(given, assessed.others)), None)
        return [record | self._superseded(record, given, overridden) for record in records]

    def _superseded(self, record: Record, own: Record, overridden: Record | None) -> dict[str, str]:
        """The event of the overridden assessment, which has the same kind."""
        if overridden is None:
            return {}
        suffix = str(record["source_id"]).removeprefix(str(own.get("assessment_id")))
        annotator = str(_fields(overridden).get("annotator_id", "unknown"))
        return {"supersedes": event_id(self.source, f"{overridden.get('assessment_id')}{suffix}", annotator)}

    def _question(self, name: str, assessed: _Assessed, is_pair: bool) -> Question:
        """How the value of an assessment is read."""
        given, value = self.questions.get(name), assessed.value
        if given is not None:
            sides = is_pair and given.use == "winner" and not given.values
            return given.model_copy(update={"values": _SIDES}) if sides else given
        if is_pair:
            return Question(use="winner", values=_SIDES)
        if not assessed.feedback:
            return Question(use="correction" if name == "expected_response" else "label")
        if isinstance(value, bool):
            return Question(use="thumb", values=_BOOLEANS)
        if isinstance(value, int | float):
            raise BadFeedback(
                f"{name} is {value}, and its direction is not known; set questions of the source mlflow_assessments, "
                f"such as questions: {{{name}: {{use: rating, scale: [1, 5]}}}}: the worst value, then the best"
            )
        return Question(use="label")

    def _single(self, assessed: _Assessed, traces: Traces) -> tuple[object, list[object]]:
        span = assessed.assessment.get("span_id")
        return self._texts(assessed.trace_id, span if isinstance(span, str) else None, traces)

    def _pair(self, assessed: _Assessed, other: str, traces: Traces) -> tuple[object, list[object]]:
        """The prompt, and both answers: that of the assessed trace first."""
        prompt, answers = self._single(assessed, traces)
        other_prompt, other_answers = self._texts(other, None, traces)
        if normalise(json.dumps(prompt)) != normalise(json.dumps(other_prompt)):
            raise BadFeedback(f"trace {other} has another prompt, expected two answers to one prompt")
        return prompt, [*answers, *other_answers]

    def _texts(self, trace_id: str, span_id: str | None, traces: Traces) -> tuple[object, list[object]]:
        """The prompt of a trace, and its answer with the id of the trace."""
        content = traces.content(trace_id, span_id)
        if content is None:
            raise BadFeedback(
                f"there is no trace {trace_id} with inputs and outputs, expected one that was not deleted"
            )
        prompt = self._prompt(content)
        answer = _last_turn(content.outputs) if self.answer is None else None
        answer = answer or _text(content.outputs, self.answer, "outputs", "answer", (*_CHAT, *_ANSWERS))
        return prompt, [{"messages": answer, "response_id": span_id or trace_id, "origin": "model"}]

    def _prompt(self, content: TraceContent) -> object:
        text = _text(content.inputs, self.prompt, "inputs", "prompt", ("messages", *_PROMPTS))
        fields = content.inputs if isinstance(content.inputs, Mapping) and self.prompt is None else {}
        if other := next(
            (name for name in sorted(LIKE_A_PROMPT & fields.keys()) if fields[name] not in (text, None)), None
        ):
            raise BadFeedback(
                f"{other} in the inputs looks like a part of the prompt; set `prompt` to the path to read"
            )
        return spoken(text)


def _value(part: Record) -> Any:
    """The value of an assessment; one that is stored as JSON in a text, as for lists and objects, is decoded."""
    serialised = part.get("serialized_value")
    if isinstance(serialised, Mapping):
        return json.loads(str(serialised.get("value")))
    value = part.get("value")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else value


def _text(value: Any, path: str | None, where: str, knob: str, known: Sequence[str]) -> Any:
    """The text, or the turns, at a path; without a path, at the first known one that leads to any."""
    if isinstance(value, str) and path is None:
        return value
    given = value if isinstance(value, Mapping) else {}
    found = (at(given, one) for one in ([path] if path else known))
    if (text := next((one for one in found if one), None)) is not None:
        return text
    if path is None and len(given) == 1 and isinstance(only := next(iter(given.values())), str):
        return only
    fields = ", ".join(given) or "none"
    raise BadFeedback(
        f"{where} of the trace have the fields {fields}, expected {path or 'a text'}; set `{knob}` to a path"
    )


def _last_turn(outputs: object) -> Any:
    """The text of the last turn of a conversation in `messages`; None if there is none."""
    messages = outputs.get("messages") if isinstance(outputs, Mapping) else None
    last = messages[-1] if isinstance(messages, list) and messages else None
    return last.get("content") if isinstance(last, Mapping) else None


def _overridden(assessment: Record, others: Mapping[str, Record]) -> list[Record]:
    """The assessments that an assessment overrides, the latest first."""
    chain: list[Record] = []
    while (older := others.get(str(assessment.get("overrides")))) is not None and older not in chain:
        chain.append(older)
        assessment = older
    return chain


def _who(assessment: Record) -> tuple[str, object]:
    source = assessment.get("source")
    return (str(source.get("source_type")), source.get("source_id")) if isinstance(source, Mapping) else ("", None)


def _metadata(assessment: Record) -> Record:
    metadata = assessment.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _fields(assessment: Record) -> dict[str, Any]:
    kind, name = _who(assessment)
    times = {"created_at": assessment.get("last_update_time") or assessment.get("create_time")}
    known = {} if name in _UNNAMED else {"annotator_id": str(name)}
    return {**times, **known, "annotator_type": _TYPES.get(kind, "human")}


def _kept(assessment: Record) -> dict[str, Any]:
    """The native fields, without `valid`, which changes when another assessment overrides this one."""
    return {name: value for name, value in assessment.items() if name != "valid"}
