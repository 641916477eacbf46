from tasks.analysis.drift import sections
from tests.feedback.examples import event, vote


def test_columns_of_a_prompt() -> None:
    refund = event(flags=("safety", "intent:refund"), licence="CC0-1.0")
    section = sections.prompts([refund], [])
    assert section.before == [
        {
            "prompt": "Why is the sky blue?",
            "words": 5,
            "turns": 1,
            "kind": "comparison",
            "source": "test",
            "flags": "intent:refund, safety",
            "licence": "CC0-1.0",
            "consent": "none-stated",
        }
    ]
    assert section.now == []


def test_side_and_length_of_the_preferred_answer() -> None:
    answers = ("It scatters blue light.", "Magic.")
    people = [
        vote("1", question="a", answers=answers, shown_order=(0, 1), round=1),
        vote("2", question="b", answers=answers, shown_order=(1, 0), round=2),
        vote("3", question="c", answers=answers, shown_order=(1, 0), ranks=(2, 1), round=3),
        vote("4", question="d", answers=answers, outcome="tie", duration_ms=1500, round=4),
        vote("5", question="e", answers=answers, round=5),
    ]
    rows = sections.ballots([], people, "overall").now
    assert [row["preferred"] for row in rows] == ["left", "right", "left", "neither", "side not recorded"]
    assert [row["words_more"] for row in rows] == [3, 3, -3, None, 3]
    assert [row["seconds"] for row in rows] == [None, None, None, 1.5, None]


def test_one_vote_per_group_under_the_criterion() -> None:
    people = [
        vote("1", annotator_id="ana", shown_order=(0, 1), created_at="2026-01-01T00:00:00Z"),
        vote("2", annotator_id="ana", shown_order=(0, 1), ranks=(2, 1), created_at="2026-01-02T00:00:00Z"),
        vote("3", annotator_id="ben", created_at="2026-01-03T00:00:00Z"),
        vote("4", question="Who?", criterion="polite"),
    ]
    [row] = sections.ballots(people, [], "overall").before
    assert (row["annotator"], row["preferred"]) == ("ana", "right")  # her last vote on the pair
