"""From what people say over HTTP and in the chat to the gate `licence`: terms are stated by the server, and one person
who refuses holds up nothing."""

import shlex
from typing import Any

from starlette.testclient import TestClient

from core.files import write_text
from core.settings import override
from evaluation.gates.licence import LicenceGate
from evaluation.verdict import Finding, GateInputs
from feedback import store
from serving.app import create_app
from serving.context import Serving
from tasks.people.label_settings import TermsSettings
from tasks.state import feedback_database
from tasks.state.reports import CurateReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace
from tasks.steps.curate import curate
from tasks.steps.ingest import ingest
from tests.cures import cures
from tests.feedback.examples import vote
from tests.serving import served
from tests.serving.pages.browsing import log_in, submit
from tests.serving.test_feedback import answered, events, give

FREE = 60
"""Preferences over HTTP, so that some are held out."""


def preference(number: int, **fields: Any) -> dict[str, Any]:
    """Each about another item, so that they are no copies of each other."""
    return {"prompt": f"How do I return item {number}?", "chosen": "Send it back.", "rejected": "No.", **fields}


def chat(client: TestClient) -> None:
    """On the chat page, ana compares two answers, and gives a thumb to one."""
    log_in(client, name="ana")
    for other, said in (("policy/2", "left"), ("", "up")):
        page = submit(client, client.get("/chat"), "/chat", question="where is it", model="policy/1", other=other)
        assert "Stored for the next round." in submit(client, page, "/chat/feedback", said=said).text


def judged(workspace: Workspace, *overrides: str) -> tuple[CurateReport, Finding]:
    """The report of curate and the finding of the gate, after ingest has taken in what waits."""
    few = {"ingest": {"sources": []}, "curate": {"min_holdout": 1}}
    values = override(few, overrides)
    claim = feedback_database.claim(workspace, 1)
    round = Round(workspace, 1, None, seed=0, salt="salt", champion=None, inbox=(), values=values, claim=claim)
    write_text(workspace.answers, "")
    for step in (ingest, curate):
        step(round, StepLog())
    report = CurateReport.load(workspace.report("curate"))
    terms = report.terms
    return report, LicenceGate().check(GateInputs(candidate={}, licences=terms.licences, consents=terms.consents))


def test_what_people_say_over_http_and_in_the_chat_is_allowed_in_training(
    workspace: Workspace, client: TestClient
) -> None:
    give(client, *map(preference, range(FREE)), user="cleo")
    chat(client)
    report, finding = judged(workspace)
    assert (finding.result, report.metrics["not_allowed"]) == ("promote", 0)
    assert report.sources["http"] == (FREE + 2, "own", "opt-in")


def test_who_refuses_is_left_out_and_counted_and_holds_up_nobody(workspace: Workspace, client: TestClient) -> None:
    """Refused by the asker of an answer, by the giver of a thumb, and in a free-standing record."""
    give(client, *map(preference, range(FREE)), user="cleo")
    asked = answered(client, user="bo", metadata={"consent": "no"})
    give(client, {"response_id": asked, "correction": "On its way."}, user="dan")
    give(client, {"response_id": answered(client), "correction": "It is here.", "consent": "no"}, user="bo")
    give(client, preference(FREE, consent="no"), preference(FREE + 1, licence="CC-BY-NC-4.0"), user="bo")
    report, finding = judged(workspace)
    assert (finding.result, report.metrics["not_allowed"]) == ("promote", 4)
    assert report.left_out == ({"CC-BY-NC-4.0": 1, "own": 3}, {"no": 3, "opt-in": 1})
    assert report.metrics["events"] == FREE + 4
    assert sum(int(report.metrics[split]) for split in ("train", "judge", "holdout")) == FREE


def test_the_gate_is_the_last_line(workspace: Workspace, client: TestClient) -> None:
    """What a round does not leave out, because its own gate is off, another gate rejects."""
    refused = (preference(number, consent="no") for number in range(FREE, FREE + 10))
    give(client, *map(preference, range(FREE)), *refused, user="cleo")
    report, finding = judged(workspace, "verdict.gates.licence=null")
    assert (finding.result, report.metrics["not_allowed"]) == ("reject", 0)


@cures("evaluation.gates.licence.LicenceGate.check: -S 'curate.terms={http: {licence: own, consent: opt-in}}'")
def test_of_records_that_an_older_server_stored_without_terms_the_operator_states_them(
    workspace: Workspace, client: TestClient
) -> None:
    """Typed as the gate says; or what would be stated of them is not allowed, and they are left out."""
    give(client, *map(preference, range(FREE)), user="cleo")
    old = [vote(str(number), question=f"Is shop {number} open?", source="http") for number in range(5)]
    store.append(workspace.feedback, old, 0)
    _, finding = judged(workspace)
    assert finding.result == "hold"
    typed = shlex.split(finding.reason[finding.reason.index("-S ") :].rpartition(",")[0])[1]
    report, finding = judged(workspace, typed)
    assert (finding.result, report.metrics["not_allowed"]) == ("promote", 0)
    report, finding = judged(workspace, "curate.terms={http: {consent: not asked}}")
    assert (finding.result, report.metrics["not_allowed"]) == ("promote", 5)


def test_the_operator_states_other_terms_and_an_application_the_consent_of_its_users(workspace: Workspace) -> None:
    """A server that was told nothing of consent: what an application states of its users holds."""
    terms = TermsSettings(licence="CC0-1.0", consent="none-stated")
    serving = Serving.of(workspace, served.SETTINGS.model_copy(update={"terms": terms}))
    with TestClient(create_app(serving)) as client:
        served.ready(serving)
        give(client, preference(0), preference(1, consent="contract", license="MIT"))
        give(client, {"response_id": answered(client, metadata={"consent": "opt-in"}), "thumb": "up"})
    assert [(event.licence, event.consent) for event in events(serving)] == [
        ("CC0-1.0", "none-stated"),
        ("MIT", "contract"),
        ("CC0-1.0", "opt-in"),
    ]
