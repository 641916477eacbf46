"""What is left out because its annotator is forgotten."""

import json
from pathlib import Path

from feedback import forgotten, store
from feedback.schema import RejectedRecord
from tests.feedback.examples import vote

ANA, BO = (vote(name, annotator_id=name, question=f"Question of {name}?") for name in ("ana", "bo"))
FORGOTTEN = (forgotten.pseudonym("ana"),)


def rejected(record: str) -> RejectedRecord:
    return RejectedRecord(source="s", where="s:1", reason="bad", record=record)


def test_events_of_the_others_are_kept_in_their_order() -> None:
    events = [BO, ANA, vote("2", annotator_id="bo")]
    assert list(forgotten.kept(events, FORGOTTEN)) == [events[0], events[2]]
    assert list(forgotten.kept(events, ())) == events


def test_records_that_cannot_be_used_are_left_out_if_they_have_the_id_anywhere() -> None:
    theirs = [rejected(json.dumps({"meta": {"workers": ["ana"]}})), rejected(json.dumps({"n": '{"by": "ana"}'}))]
    others = [rejected('{"by": "anastasia"}'), rejected("no JSON")]
    assert list(forgotten.kept_records([*theirs, ANA, *others, BO], FORGOTTEN)) == [*others, BO]


def test_an_id_that_is_a_number_is_found() -> None:
    assert list(forgotten.kept_records([rejected('{"worker": 17}')], [forgotten.pseudonym("17")])) == []


def test_their_prompts_are_not_drawn_unless_somebody_else_gave_them_too(tmp_path: Path) -> None:
    store.append(tmp_path, [ANA, BO, vote("3", annotator_id="bo", question="Shared?")], 0)
    store.append(tmp_path, [vote("4", annotator_id="ana", question="Shared?")], 1)
    drawn = {prompt[0].content for prompt in forgotten.prompts(tmp_path, 9, 7, FORGOTTEN)}
    assert drawn == {"Question of bo?", "Shared?"}
    assert forgotten.prompts(tmp_path, 2, 7, ()) == store.prompts(tmp_path, 2, 7)
