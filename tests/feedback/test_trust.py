"""What a record may state of itself, by the way it came in."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from core.errors import BadFeedback
from feedback import canonical, superseding, trust
from feedback.schema import FeedbackEvent, event_id
from feedback.superseding import Giver
from feedback.trust import Trust
from tests.feedback.examples import valid_events, vote

DEFAULTS = {"source": "inbox:votes", "source_id": "line", "source_sha256": "hash"}
PLAIN: dict[str, Any] = {"prompt": "Is it open?", "chosen": "Until six.", "rejected": "No idea."}
CLAIMS: dict[str, Any] = {
    "feedback_id": "taken",
    "prompt_group": "theirs",
    "split": "holdout",
    "source_sha256": "other",
    "annotator_id": "bo",
    "annotator_type": "ai",
    "annotator_version": "2",
    "annotator_groups": {"language": "de"},
    "created_at": "2026-01-02T03:04:05Z",
    "ingested_at": "2026-01-02T03:04:05Z",
    "licence": "MIT",
    "consent": "opt-in",
    "source": "review-desk",
    "source_id": "4711",
    "round": 3,
    "batch_id": "b",
    "guideline_version": "g",
}
FULL_ONLY = {"feedback_id", "prompt_group", "split", "source_sha256"}
UNCLAIMED = {name: value for name, value in CLAIMS.items() if name not in FULL_ONLY}


def test_every_field_of_an_event_has_one_rule() -> None:
    named = [field for rule in trust.RULES for field in rule.fields]
    assert sorted(named) == sorted([*FeedbackEvent.model_fields, *(f"responses.{name}" for name in trust.AUTHOR)])


def test_the_documentation_has_the_table() -> None:
    assert trust.table() in (Path(__file__).parents[2] / "docs" / "feedback.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("level", "honoured"), [(Trust.OUTSIDE, set()), (Trust.OPERATOR, set(UNCLAIMED))])
@pytest.mark.parametrize("canonical_form", [True, False])
def test_what_is_not_honoured_is_kept_in_extra(level: Trust, honoured: set[str], canonical_form: bool) -> None:
    form = {"prompt": "Q?", "responses": ["A", "B"], "judgements": [{"ranks": [1, 2]}], "kind": "comparison"}
    event = canonical.event((form if canonical_form else PLAIN) | CLAIMS, DEFAULTS, level)
    assert set(trust.ignored(event)) == CLAIMS.keys() - honoured
    stated = FeedbackEvent.model_validate({**event.model_dump(), **{name: CLAIMS[name] for name in honoured}})
    assert stated == event
    without = canonical.event(form if canonical_form else PLAIN, DEFAULTS, level)
    same = set(CLAIMS) - honoured - {"feedback_id"}
    assert event.model_dump(include=same) == without.model_dump(include=same)


def test_with_full_trust_all_is_honoured() -> None:
    event = canonical.event(PLAIN | CLAIMS, DEFAULTS, Trust.FULL)
    assert trust.ignored(event) == ()
    assert (event.feedback_id, event.prompt_group, event.split) == ("taken", "theirs", "holdout")


def test_the_annotator_that_an_outsider_states_is_not_kept() -> None:
    event = canonical.event(PLAIN | CLAIMS, DEFAULTS, Trust.OUTSIDE)
    assert event.annotator_id == "unknown"
    assert '"bo"' not in event.model_dump_json()


@pytest.mark.parametrize("record", [PLAIN, PLAIN | {"annotator_id": "bo"}, PLAIN | {"source_id": 7, "source": "desk"}])
def test_ids_of_records_that_state_none_stay(record: dict[str, Any]) -> None:
    where, native = ("desk", "7") if "source_id" in record else ("", "line")
    expected = event_id(where, native, record.get("annotator_id", "unknown"))
    assert canonical.event(record, DEFAULTS).feedback_id == expected


def test_an_outsider_who_states_nothing_has_the_id_of_the_line_and_another_one_if_a_field_is_ignored() -> None:
    assert canonical.event(PLAIN, DEFAULTS, Trust.OUTSIDE).feedback_id == event_id("", "line", "unknown")
    for name, value in CLAIMS.items():
        event = canonical.event(PLAIN | {name: value}, DEFAULTS, Trust.OUTSIDE)
        assert event.feedback_id == event_id(trust.UNTRUSTED_SOURCE, "line", "unknown"), name


def test_a_record_that_states_what_is_computed_anyway_claims_nothing() -> None:
    event = canonical.event(PLAIN | {"source_id": "7", "source": "desk"}, DEFAULTS)
    again = canonical.event(event.model_dump(mode="json", exclude={"source_sha256"}), DEFAULTS)
    assert again == event


def test_an_outsider_may_report_harm_and_not_label_a_prompt() -> None:
    event = canonical.event(PLAIN | {"flags": ["harmful", "safety", "intent:refund"]}, DEFAULTS, Trust.OUTSIDE)
    assert event.flags == ("harmful",)
    assert event.extra[trust.IGNORED] == {"flags": ["safety", "intent:refund"]}
    assert canonical.event(PLAIN | {"flags": ["safety"]}, DEFAULTS).flags == ("safety",)


def test_a_withdrawn_record_from_outside_stays_withdrawn() -> None:
    assert canonical.event(PLAIN | {"status": "withdrawn"}, DEFAULTS, Trust.OUTSIDE).status == "withdrawn"


def test_an_object_that_is_none_is_refused_at_every_level() -> None:
    for level in Trust:
        with pytest.raises(BadFeedback, match="extra"):
            canonical.event(
                {"kind": "comparison", "prompt": "Q?", "responses": ["A", "B"], "extra": 3}, DEFAULTS, level
            )


@given(valid_events())
def test_what_a_service_received_is_by_the_identity_of_the_key_whatever_it_states(event: FeedbackEvent) -> None:
    received = trust.received(event, "key-1", "http", attributed=True)
    assert received.annotator_id == "key-1"
    assert received.feedback_id == event_id("http", event.source_id, "key-1")
    assert (received.source, received.prompt_group, received.created_at) == ("http", event.prompt_id, None)
    assert (received.licence, received.consent, received.split, received.round) == (
        "none-stated",
        "none-stated",
        None,
        0,
    )
    said = {"kind", "prompt", "responses", "judgements", "duration_ms", "status", "supersedes"}
    assert received.model_dump(include=said) == event.model_dump(include=said)
    assert trust.received(received, "key-1", "http", attributed=True) == received
    unattributed = trust.received(event, "key-1", "http")
    assert {(answer.model, answer.model_version) for answer in unattributed.responses} == {(None, None)}
    assert [answer.messages for answer in unattributed.responses] == [answer.messages for answer in event.responses]
    assert trust.received(unattributed, "key-1", "http") == unattributed


def test_two_givers_with_one_native_id_have_two_events() -> None:
    first, second = (trust.received(vote("1"), name, "http") for name in ("ana", "bo"))
    assert first.feedback_id != second.feedback_id


@pytest.mark.parametrize(
    ("by", "target", "level", "allowed"),
    [
        ("ana", Giver("ana", "human"), Trust.OUTSIDE, True),
        ("ana", Giver("ana", "human"), Trust.OPERATOR, True),
        ("bo", Giver("ana", "human"), Trust.OPERATOR, False),
        ("bo", Giver("ana", "human"), Trust.FULL, True),
        ("unknown", Giver("unknown", "human"), Trust.OPERATOR, False),
        (" ", Giver(" ", "human"), Trust.OPERATOR, False),
        ("bo", Giver("gpt", "ai"), Trust.OPERATOR, True),
        ("bo", Giver("gpt", "ai"), Trust.OUTSIDE, False),
        ("bo", None, Trust.OPERATOR, False),
        ("bo", None, Trust.FULL, True),
    ],
)
def test_a_giver_supersedes_only_own_events(by: str, target: Giver | None, level: Trust, allowed: bool) -> None:
    event = vote("2", annotator_id=by, supersedes="one")
    reason = superseding.problem(event, level, {"one": target} if target else {})
    assert (reason is None) == allowed
    assert reason is None or "one" in reason


def test_a_model_does_not_supersede_another_one() -> None:
    event = vote("2", annotator_id="gpt", annotator_type="ai", supersedes="one")
    assert superseding.problem(event, Trust.OPERATOR, {"one": Giver("claude", "ai")})
