import pytest

from evaluation.drift.stream import stream
from tests.feedback.examples import vote


def test_ties_time_and_agreement_by_hand() -> None:
    people = [
        vote("1", annotator_id="ana", duration_ms=2000),
        vote("2", annotator_id="ben", duration_ms=8000),
        vote("3", annotator_id="cy", outcome="tie", duration_ms=4000),
        vote("4", annotator_id="dee", question="Why is grass green?", ranks=(2, 1)),
    ]
    measured = stream(people, "overall")
    assert measured.ties.tolist() == pytest.approx([1 / 3, 0])
    assert measured.seconds.tolist() == pytest.approx([4.0])  # (2 · 8 · 4)^⅓; the other group has no times
    assert measured.agreement.tolist() == pytest.approx([1 / 3])  # ana and ben agree, cy with neither


def test_only_the_last_vote_of_a_person_under_the_criterion_counts() -> None:
    people = [
        vote("1", annotator_id="ana", outcome="tie", created_at="2026-01-01T00:00:00Z"),
        vote("2", annotator_id="ana", created_at="2026-01-02T00:00:00Z"),
        vote("3", annotator_id="ben", outcome="tie", criterion="polite"),
    ]
    assert stream(people, "overall").ties.tolist() == [0]
    assert stream(people, "overall").agreement.tolist() == []
