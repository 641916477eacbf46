import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.oasst import OASST
from tests.feedback.examples import chat

ROOT = Path(__file__).resolve().parents[3]
REAL = Path(os.environ.get("RLHF_REAL_DATA", ROOT.parent / "shared" / "data")) / "oasst_samples" / "en_100_tree.jsonl"


def message(name: str, role: str, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A message called `name`, which is also its text."""
    given = {"message_id": name, "text": name, "role": role, "lang": "en", "deleted": False, "review_result": True}
    return {**given, "replies": list(replies), **fields}


def tree(*replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    prompt = message("Where is my parcel?", "prompter", *replies, **fields)
    return {"message_tree_id": "t1", "tree_state": "ready_for_export", "prompt": prompt}


def answer(name: str, rank: int | None = None, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return message(name, "assistant", *replies, **{"rank": rank, "synthetic": True, "model_name": "m7", **fields})


def read(folder: Path, *records: dict[str, Any], **knobs: Any) -> list[FeedbackEvent | RejectedRecord]:
    file = folder / "trees.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode()))
    source = OASST(path=file, **knobs)
    source.check()
    return list(source.read(Intake(round=2, seed=0)))


def only_event(folder: Path, record: dict[str, Any], **knobs: Any) -> FeedbackEvent:
    [event] = read(folder, record, **knobs)
    assert isinstance(event, FeedbackEvent), event
    return event


def test_rank_0_is_the_best(tmp_path: Path) -> None:
    event = only_event(tmp_path, tree(answer("Soon.", 2), answer("On Monday.", 0), answer("Maybe.", 1)))
    assert [response.text for response in event.responses] == ["Soon.", "On Monday.", "Maybe."]
    assert event.judgements[0].ranks == (3, 1, 2)
    assert (event.kind, event.annotator_id, event.licence, event.round) == ("ranking", "unknown", "Apache-2.0", 2)
    assert (event.responses[0].origin, event.responses[0].model) == ("model", "m7")


def test_a_reply_without_a_rank_stays_unranked(tmp_path: Path) -> None:
    event = only_event(tmp_path, tree(answer("On Monday.", 0), answer("Soon."), answer("Maybe.", 1)))
    assert event.judgements[0].ranks == (1, None, 2)


def test_every_message_of_people_with_ranked_replies_gives_a_ranking(tmp_path: Path) -> None:
    second = message("And my lamp?", "prompter", answer("Here.", 1), answer("There.", 0))
    first, below = read(tmp_path, tree(answer("On Monday.", 0, second), answer("Soon.", 1)))
    assert isinstance(first, FeedbackEvent)
    assert isinstance(below, FeedbackEvent)
    assert (first.kind, first.judgements[0].ranks) == ("comparison", (1, 2))
    assert below.prompt == chat("Where is my parcel?", "On Monday.", "And my lamp?")
    assert below.judgements[0].ranks == (2, 1)
    assert first.feedback_id != below.feedback_id


def test_what_is_deleted_or_failed_the_review_is_left_out_with_all_below(tmp_path: Path) -> None:
    below = message("And my lamp?", "prompter", answer("Here.", 1), answer("There.", 0))
    spam = answer("Buy!", 2, below, review_result=False)
    event = only_event(tmp_path, tree(answer("Soon.", 1), answer("Gone.", 0, deleted=True), answer("Ok.", 3), spam))
    assert [response.text for response in event.responses] == ["Soon.", "Ok."]
    assert event.judgements[0].ranks == (1, 2)
    assert read(tmp_path, tree(answer("Soon.", 0), answer("Ok.", 1), deleted=True)) == []


def test_languages_select_messages(tmp_path: Path) -> None:
    replies = answer("Soon.", 1), answer("Montag.", 0, lang="de"), answer("Ok.", 2)
    assert len(only_event(tmp_path, tree(*replies)).responses) == 3
    event = only_event(tmp_path, tree(*replies), languages=("en",))
    assert [response.text for response in event.responses] == ["Soon.", "Ok."]


def test_the_best_reply_of_a_person_is_a_demonstration(tmp_path: Path) -> None:
    person = {"synthetic": False, "model_name": None, "user_id": "u5", "created_date": "2023-02-05T14:23:50+00:00"}
    replies = answer("Soon.", 1, **person), answer("On Monday.", 0, **person)
    ranking, shown = read(tmp_path, tree(*replies))
    assert isinstance(shown, FeedbackEvent)
    assert (shown.kind, shown.responses[0].text, shown.annotator_id) == ("demonstration", "On Monday.", "u5")
    assert shown.responses[0].origin == "human"
    assert read(tmp_path, tree(*replies), demonstrations=False) == [ranking]
    assert only_event(tmp_path, tree(answer("Soon.", None, **person))).kind == "demonstration"


def test_rankings_of_single_volunteers_replace_the_consensus(tmp_path: Path) -> None:
    given = [
        {"type": "ranking", "user_id": "u1", "ranking": [1, 0], "ranked_message_ids": ["B", "A"]},
        {"type": "ranking", "user_id": "u2", "ranked_message_ids": ["A", "B"], "not_rankable": True},
    ]
    first, second = read(tmp_path, tree(answer("A", 0), answer("B", 1), events={"ranking": given}))
    assert isinstance(first, FeedbackEvent)
    assert isinstance(second, FeedbackEvent)
    assert (first.annotator_id, first.judgements[0].ranks) == ("u1", (2, 1))
    assert (second.annotator_id, second.judgements[0].outcome) == ("u2", "not_rankable")
    assert second.extra["ranking"] == given[1]


def test_messages_in_a_flat_file_give_the_same_events(tmp_path: Path) -> None:
    second = message("And my lamp?", "prompter", answer("Here.", 1), answer("There.", 0))
    whole = tree(answer("On Monday.", 0, second), answer("Soon.", 1))
    flat = list(messages(whole["prompt"]))
    trees, lists = read(tmp_path, whole), read(tmp_path, *reversed(flat))
    assert [ids(event) for event in lists] == [ids(event) for event in trees]


def ids(event: FeedbackEvent | RejectedRecord) -> tuple[Any, ...]:
    """What is the same in both kinds of file: in a flat one, the order of replies is that of the lines."""
    assert isinstance(event, FeedbackEvent)
    ranks = event.judgements[0].ranks
    return event.feedback_id, event.prompt, sorted(zip(ranks or (), [r.text for r in event.responses], strict=True))


def messages(node: dict[str, Any], parent: str | None = None) -> Iterator[dict[str, Any]]:
    yield {name: value for name, value in node.items() if name != "replies"} | {"parent_id": parent}
    for reply in node["replies"]:
        yield from messages(reply, node["message_id"])


def test_a_record_that_is_no_tree_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    bad, good = read(tmp_path, {"prompt": "Why?"}, tree(answer("A", 0), answer("B", 1)))
    assert isinstance(bad, RejectedRecord)
    assert (bad.source, bad.where) == ("oasst", "trees.jsonl.gz:1")
    assert isinstance(good, FeedbackEvent)


def test_one_bad_ranking_does_not_lose_the_other_messages_of_its_tree(tmp_path: Path) -> None:
    second = message("And my lamp?", "prompter", answer("Here.", 1), answer("There.", 0))
    bad, good = read(tmp_path, tree(answer("", 0), answer("Soon.", 1, second)))
    assert isinstance(bad, RejectedRecord)
    assert (bad.where, bad.reason) == ("trees.jsonl.gz:1", "responses[0][0].content is empty, expected text")
    assert isinstance(good, FeedbackEvent)
    assert good.prompt[-1].content == "And my lamp?"


@pytest.mark.parametrize("rank", ["first", True, [1]])
def test_a_rank_that_is_no_number_is_a_reason(tmp_path: Path, rank: Any) -> None:
    [bad] = read(tmp_path, tree(answer("A", rank), answer("B", 1)))
    assert isinstance(bad, RejectedRecord)
    assert bad.reason == f"rank is {rank!r}, expected a number"


def test_native_messages_are_rebuilt(tmp_path: Path) -> None:
    labels = {"quality": {"value": 0.9, "count": 3}}
    replies = answer("A", 0, labels=labels, emojis={"+1": 2}), answer("B", 1)
    event = only_event(tmp_path, tree(*replies))
    kept: Any = event.extra["replies"]
    rebuilt = [{**one, "text": given.text, "replies": []} for one, given in zip(kept, event.responses, strict=True)]
    assert rebuilt == list(replies)
    assert event.extra["tree"] == {"message_tree_id": "t1", "tree_state": "ready_for_export"}


def test_check_and_fingerprint(tmp_path: Path) -> None:
    source = OASST(path=tmp_path / "trees.jsonl")
    for call in (source.check, source.fingerprint):
        with pytest.raises(BadFeedback, match="there is no such file"):
            call()
    (tmp_path / "trees.jsonl").write_text("<html>")
    with pytest.raises(BadFeedback, match="HTML"):
        source.check()
    before = source.fingerprint()
    (tmp_path / "trees.jsonl").write_text(json.dumps(tree()) + "\n")
    assert source.fingerprint() != before


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} does not exist")
def test_a_real_file() -> None:
    read_ = [list(OASST(path=REAL).read(Intake(0, 0))) for _ in range(2)]
    assert read_[0] == read_[1]
    events = [record for record in read_[0] if isinstance(record, FeedbackEvent)]
    assert len(events) == len(read_[0])
    assert Counter(event.kind for event in events) == {"ranking": 155, "comparison": 57, "demonstration": 247}
    assert len({event.feedback_id for event in events}) == len(events)
    native = {reply["message_id"]: reply for event in events for reply in _replies(event)}
    for event in events:
        for judgement in event.judgements:
            best = event.responses[(judgement.ranks or ()).index(1)]
            assert native[best.response_id]["rank"] == 0


def _replies(event: FeedbackEvent) -> list[dict[str, Any]]:
    replies: Any = event.extra["replies"]
    return list(replies)
