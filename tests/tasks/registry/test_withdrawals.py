from pathlib import Path

from feedback import store
from tasks.registry import audit, withdrawals
from tests.feedback.examples import vote


def test_a_batch_of_withdrawals_is_logged_once(tmp_path: Path) -> None:
    log, folder = tmp_path / "audit.jsonl", tmp_path / "feedback"
    votes = [vote(str(number), annotator_id=who) for number, who in enumerate(("ana", "ana", "bo"))]
    store.append(folder, votes, round=1)
    withdrawals.note(log, folder, 1)
    assert audit.read(log) == []
    back = [vote(f"back {ix}", outcome="skip", supersedes=event.feedback_id) for ix, event in enumerate(votes)]
    store.append(folder, back, round=2)
    for _ in range(3):  # a killed round ingests and logs again
        withdrawals.note(log, folder, 2)
    [line] = audit.read(log)
    assert (line.event, line.who) == ("withdrawal", "rounds")
    assert line.facts == {
        "round": 2,
        "batch": "part-00002-0",
        "taken_back": 3,
        "corrected": 0,
        "annotators": {"ana": 2, "bo": 1},
    }
    assert audit.verify(log) == []


def test_a_batch_ingested_after_a_kill_has_its_own_line(tmp_path: Path) -> None:
    log, folder = tmp_path / "audit.jsonl", tmp_path / "feedback"
    for number in range(2):
        store.append(folder, [vote(str(number), status="withdrawn", annotator_id="ana")], round=1)
        withdrawals.note(log, folder, 1)
    assert [line.facts["batch"] for line in audit.read(log)] == ["part-00001-0", "part-00001-1"]
