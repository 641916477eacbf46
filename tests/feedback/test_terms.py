from feedback.terms import Origin, terms_by_source, usage_terms
from tests.feedback.examples import event, vote


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
