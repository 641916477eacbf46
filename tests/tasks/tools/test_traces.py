"""Traces and assessments that are logged to a real MLflow store through MLflow's own API."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import pytest
from mlflow.entities import AssessmentSource

from core.errors import BadFeedback
from core.files import write_text
from feedback import revisions, store
from feedback.schema import FeedbackEvent
from feedback.sources import Intake, Source
from feedback.sources.jsonl import JSONL
from feedback.sources.mlflow_assessments import COMPARED_WITH, MlflowAssessments
from feedback.votes import effective
from tasks.rounds.request import read_request
from tasks.steps.ingest import ingest
from tasks.tools import traces
from tasks.tools.traces import MlflowTraces
from tests.tasks.steps.hand_written import Logged, opened

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning",
    "ignore:.*Any type hint is inferred as AnyType:UserWarning",  # of MLflow's own types, when the first span is made
)

ANA = AssessmentSource("HUMAN", "ana@example.org")
JUDGE = AssessmentSource("LLM_JUDGE", "gpt")


class Application(NamedTuple):
    """A traced application, and the source that reads what people say about it."""

    root: Path
    address: str

    def ask(self, question: str, answer: str) -> str:
        """Answer a question; returns the id of the trace."""
        with mlflow.start_span("chat") as span:
            span.set_inputs({"messages": [{"role": "user", "content": question}]})
            span.set_outputs({"choices": [{"message": {"role": "assistant", "content": answer}}]})
        return str(span.trace_id)

    def source(self, **knobs: Any) -> Source:
        given = {"experiments": ["app"], "tracking_uri": self.address, **knobs}
        [source] = traces.connected([MlflowAssessments(**given)], self.root)
        return source

    def events(self, **knobs: Any) -> list[FeedbackEvent]:
        records = list(self.source(**knobs).read(Intake(round=1, seed=0)))
        assert all(isinstance(record, FeedbackEvent) for record in records), records
        return [record for record in records if isinstance(record, FeedbackEvent)]


@pytest.fixture
def application(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    """An application that logs to a store of its own."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    shutil.copyfile(empty_store, tmp_path / "app.db")
    address = f"sqlite:///{tmp_path / 'app.db'}"
    mlflow.set_tracking_uri(address)
    mlflow.create_experiment("app", artifact_location=(tmp_path / "artifacts").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "app")
    yield Application(tmp_path, address)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # else it holds for later tests, also by the environment


def test_thumbs_pairs_and_expected_responses_of_real_traces(application: Application) -> None:
    first = application.ask("Where is my parcel?", "On Monday.")
    second = application.ask("Where is my parcel?", "Soon.")
    mlflow.log_feedback(trace_id=first, name="ok", value=True, source=ANA, rationale="Clear.")
    mlflow.log_feedback(trace_id=second, name="better", value="worse", source=ANA, metadata={COMPARED_WITH: first})
    mlflow.log_feedback(trace_id=second, name="judged", value=True, source=JUDGE)
    mlflow.log_expectation(trace_id=second, name="expected_response", value="On Monday at ten.", source=ANA)
    thumb, pair, correction = application.events()
    assert (thumb.kind, thumb.responses[0].text, thumb.judgements[0].scores) == ("binary", "On Monday.", (1,))
    assert thumb.judgements[0].rationale == "Clear."
    assert [answer.text for answer in pair.responses] == ["Soon.", "On Monday."]
    assert pair.judgements[0].ranks == (2, 1)
    assert [answer.text for answer in correction.responses] == ["Soon.", "On Monday at ten."]
    assert {event.annotator_id for event in (thumb, pair, correction)} == {"ana@example.org"}
    assert application.events() == [thumb, pair, correction]


def test_an_override_and_a_change_in_place_leave_the_last_word(application: Application, tmp_path: Path) -> None:
    folder, trace = tmp_path / "store", application.ask("Is it open?", "Yes.")
    fingerprints = [application.source().fingerprint()]
    given = mlflow.log_feedback(trace_id=trace, name="ok", value=True, source=ANA)
    fingerprints.append(_ingested(application, folder, 0))
    override = mlflow.override_feedback(trace_id=trace, assessment_id=str(given.assessment_id), value=False, source=ANA)
    fingerprints.append(_ingested(application, folder, 1))
    mlflow.update_assessment(trace, str(override.assessment_id), mlflow.entities.Feedback(name="ok", value=True))
    fingerprints.append(_ingested(application, folder, 2))
    assert [event.judgements[0].scores for event in store.events(folder)] == [(1,), (0,), (1,)]
    [counts] = effective(store.events(folder))
    assert counts.judgements[0].scores == (1,)
    assert len(set(fingerprints)) == 4


def _ingested(application: Application, folder: Path, round: int) -> str:
    """Ingest the assessments; returns the fingerprint of the source."""
    corrected = revisions.corrected(folder, application.events(), round)
    assert store.append(folder, corrected, round).changed == ()
    return application.source().fingerprint()


def test_traces_are_read_page_by_page(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "PAGE", 2)
    for number in range(5):
        trace = application.ask(f"Is number {number} open?", "Yes.")
        if number != 3:
            mlflow.log_feedback(trace_id=trace, name="ok", value=True, source=ANA)
    asked = [event.prompt[0].content for event in application.events()]
    assert asked == [f"Is number {number} open?" for number in (0, 1, 2, 4)]


def test_a_trace_that_is_gone_has_no_content(application: Application) -> None:
    assert MlflowTraces(application.root, application.address).content("tr-none", None) is None


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        (lambda root: {"experiments": ["other"]}, r"no experiment 'other'; there are: .*app"),
        (lambda root: {"filter": "colour = "}, "MLflow does not return the traces"),
        (lambda root: {"tracking_uri": f"sqlite:///{root}/none.db"}, r"none\.db: there is no MLflow database"),
    ],
)
def test_what_cannot_be_read_is_named(
    application: Application, knobs: Callable[[Path], dict[str, Any]], message: str
) -> None:
    with pytest.raises(BadFeedback, match=message):
        application.source(**knobs(application.root)).check()
    assert not (application.root / "none.db").exists()


def test_a_round_is_requested_again_and_ingests_when_somebody_says_something_new(
    application: Application, tmp_path: Path
) -> None:
    knobs = {"use": "mlflow_assessments", "experiments": ["app"], "tracking_uri": application.address}
    round = opened(tmp_path, ingest={"sources": [knobs]})
    write_text(round.workspace.params, "{}")
    trace, written, new = application.ask("Is it open?", "Yes."), [], []
    for number, said in enumerate((True, False)):
        mlflow.log_feedback(trace_id=trace, name=f"ok {number}", value=said, source=ANA)
        written.append(read_request(round.workspace, [f"ingest.sources={json.dumps([knobs])}"]).written)
        ingest(replace(round, number=number), log := Logged())
        new.append(log.metrics["new"])
    assert written[0] != written[1]
    assert new == [1, 1]


def test_other_sources_are_left_as_they_are(tmp_path: Path) -> None:
    files = JSONL(path=tmp_path)
    assert traces.connected([files], tmp_path) == [files]


def test_an_application_leaves_no_address_behind() -> None:
    """The fixture of the tests above sets one for the whole process."""
    assert "MLFLOW_TRACKING_URI" not in os.environ
