from pathlib import Path

from feedback import store
from feedback.withdrawn import Withdrawal, withdrawn
from tests.feedback.examples import vote


def test_a_part_tells_what_it_takes_back_and_what_it_corrects(tmp_path: Path) -> None:
    first, second = vote("1", annotator_id="ana"), vote("2", annotator_id="bo")
    store.append(tmp_path, [first, second], round=1)
    back = vote("3", outcome="skip", supersedes=first.feedback_id, annotator_id="the editor")
    corrected = vote("4", (2, 1), supersedes=second.feedback_id, annotator_id="bo")
    unknown = vote("5", outcome="skip", supersedes="ffff", annotator_id="cy")
    store.append(tmp_path, [back, corrected, unknown, vote("6")], round=2)
    store.append(tmp_path, [vote("7", status="withdrawn", annotator_id="di")], round=2)
    assert withdrawn(tmp_path, 2) == {
        "part-00002-0": [Withdrawal("ana", True), Withdrawal("bo", False), Withdrawal("cy", True)],
        "part-00002-1": [Withdrawal("di", True)],
    }
    assert withdrawn(tmp_path, 1) == {}
