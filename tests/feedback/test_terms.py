from feedback.terms import by_source, terms
from tests.feedback.examples import event, vote


def test_terms_are_counted_over_what_reached_training() -> None:
    learned = vote("1", licence="MIT", consent="opt-in")
    prompt = event("Why?", native="2", kind="demonstration", licence="CC-BY-4.0")
    held = event("Where?", native="3", kind="demonstration", licence="secret")
    found = terms([learned, prompt, held], {learned.feedback_id}, {prompt.prompt_id})
    assert found.licences == {"CC-BY-4.0": 1, "MIT": 1}
    assert found.consents == {"none-stated": 1, "opt-in": 1}


def test_a_withdrawn_event_reaches_nothing_by_its_prompt() -> None:
    withdrawn = event("Why?", native="1", kind="demonstration", licence="secret", status="withdrawn")
    other = event("Why?", native="2", kind="demonstration", licence="MIT")
    assert terms([withdrawn, other], {other.feedback_id}, {other.prompt_id}).licences == {"MIT": 1}


def test_a_source_stands_under_all_that_its_events_state() -> None:
    mixed = [
        event(native=str(number), licence=licence, consent="opt-in")
        for number, licence in enumerate(("MIT", "none-stated", "MIT"))
    ]
    assert by_source(mixed) == {"test": {"events": 3, "licence": "MIT, none-stated", "consent": "opt-in"}}
