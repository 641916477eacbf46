import pytest

from feedback.arrow import to_table
from feedback.schema import FeedbackEvent
from feedback.stored import Decoder, StoredEvent
from feedback.terms import (
    Origin,
    ServerTerms,
    SourceTermsSettings,
    anything_goes,
    forbidden,
    permitted,
    terms_by_source,
    usage_terms,
    with_stated,
)
from tests.feedback.examples import event, vote


def stored(*events: FeedbackEvent) -> list[StoredEvent]:
    return list(Decoder().events(to_table(events)))


def no_means_no(licence: str, consent: str) -> bool:
    return "secret" in licence or consent in ("no", "never")


def test_terms_are_counted_over_the_events_used_for_training() -> None:
    learned = vote("1", licence="MIT", consent="opt-in")
    prompt = event("Why?", native="2", kind="demonstration", licence="CC-BY-4.0")
    held = event("Where?", native="3", kind="demonstration", licence="secret")
    terms = usage_terms([learned, prompt, held], {learned.feedback_id}, {prompt.prompt_id})
    assert terms.licences == {"CC-BY-4.0": 1, "MIT": 1}
    assert terms.consents == {"none-stated": 1, "opt-in": 1}


def test_the_prompt_of_a_withdrawn_event_is_not_used_for_training() -> None:
    withdrawn = event("Why?", native="1", kind="demonstration", licence="secret", status="withdrawn")
    other = event("Why?", native="2", kind="demonstration", licence="MIT")
    assert usage_terms([withdrawn, other], {other.feedback_id}, {other.prompt_id}).licences == {"MIT": 1}


def test_a_source_has_all_licences_and_consents_of_its_events() -> None:
    mixed = [
        event(native=str(number), licence=licence, consent="opt-in")
        for number, licence in enumerate(("MIT", "none-stated", "MIT"))
    ]
    assert terms_by_source(mixed) == {"test": Origin(events=3, licence="MIT, none-stated", consent="opt-in")}


def test_what_is_stated_of_a_source_holds_where_its_events_state_none() -> None:
    events = stored(vote("1", licence="MIT"), vote("2", consent="no"), vote("3"), vote("4", source="other"))
    found = with_stated(events, {"test": SourceTermsSettings(licence="own", consent="opt-in")})
    assert [(each.licence, each.consent) for each in found] == [
        ("MIT", "opt-in"),
        ("own", "no"),
        ("own", "opt-in"),
        ("none-stated", "none-stated"),
    ]
    partly = with_stated(events[:1], {"test": SourceTermsSettings(consent="contract")})
    assert (partly[0].licence, partly[0].consent) == ("MIT", "contract")


def test_what_is_not_allowed_is_kept_out_and_counted_with_what_it_supersedes() -> None:
    """`b` says no and supersedes `a`; `d` had said no, and `e`, which supersedes it, is allowed."""
    a = vote("a", consent="opt-in")
    b = vote("b", consent="no", supersedes=a.feedback_id)
    c = vote("c", licence="secret")
    d = vote("d", consent="never", status="withdrawn")
    e = vote("e", supersedes=d.feedback_id)
    found = permitted(stored(a, b, c, d, e), no_means_no)
    assert [each.status for each in found.events] == ["quarantined"] * 4 + ["active"]
    assert found.size == 3
    assert found.left_out.consents == {"no": 1, "none-stated": 1, "opt-in": 1}
    assert found.left_out.licences == {"none-stated": 2, "secret": 1}


def test_everything_that_came_before_in_a_chain_is_kept_out() -> None:
    a = vote("a")
    b = vote("b", supersedes=a.feedback_id)
    c = vote("c", consent="no", supersedes=b.feedback_id)
    assert forbidden([a, b, c], no_means_no) == {a.feedback_id, b.feedback_id, c.feedback_id}


def test_events_that_supersede_each_other_end_the_search() -> None:
    a, b = vote("a"), vote("b", consent="no")
    a, b = a.model_copy(update={"supersedes": b.feedback_id}), b.model_copy(update={"supersedes": a.feedback_id})
    assert forbidden([a, b], no_means_no) == {a.feedback_id, b.feedback_id}


def test_where_anything_goes_nothing_is_kept_out() -> None:
    events = stored(vote("a", consent="no", licence="secret"))
    assert permitted(events, anything_goes) == (events, ({}, {}), 0)


@pytest.mark.parametrize(
    ("default", "said", "consent"),
    [
        ("opt-in", (), "opt-in"),
        ("opt-in", (None, "none-stated", " "), "opt-in"),
        ("opt-in", ("contract",), "contract"),
        ("opt-in", ("opt-in", "no"), "no"),
        ("opt-in", ("no", "opt-in"), "no"),
        ("no", ("opt-in",), "no"),
        ("none-stated", ("opt-in",), "opt-in"),
        ("none-stated", (), "none-stated"),
    ],
)
def test_of_several_consents_the_strictest_holds(default: str, said: tuple[str | None, ...], consent: str) -> None:
    terms = ServerTerms("own", default, no_means_no)
    assert terms.consent_of(*said) == consent
    assert terms.licence_of("secret sauce") == "secret sauce"
    assert terms.licence_of() == "own"
