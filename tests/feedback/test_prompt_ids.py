"""Prompts whose ids schema version 1 made equal, in stores that it wrote and in new ones."""

from pathlib import Path
from typing import Any

import pytest

from feedback import canonical, store
from feedback.groups import Grouping, regroup
from feedback.preferences import preferences
from feedback.prompt_ids import PromptIds
from feedback.schema import FeedbackEvent, distinct_id, prompt_id, version_1_id
from feedback.split import SplitSettings
from feedback.store import identity
from feedback.trust import Trust
from tests.feedback.examples import chat

SQUARE, NUMBER = "2²?", "22?"


def read(prompt: str, native: str = "1", **fields: Any) -> FeedbackEvent:
    record = {"prompt": prompt, "chosen": "Four.", "rejected": "Five.", **fields}
    return canonical.event(record, {"source": "votes", "source_id": native}, Trust.FULL)


def by_version_1(event: FeedbackEvent) -> FeedbackEvent:
    """The event as version 1 stored it."""
    former = version_1_id(event.prompt)
    return event.model_copy(update={"schema_version": 1, "prompt_id": former, "prompt_group": former})


def ingested(folder: Path, *events: FeedbackEvent, round: int = 1) -> store.AppendResult:
    """What the step `ingest` does with the events."""
    texts = store.prompt_texts(folder)
    ids, grouping, draft = PromptIds(texts), Grouping(store.first_of_each(texts)), store.Draft(folder, round)
    for event in map(ids.resolved, events):
        grouping.add(event)
        draft.add(event)
    return draft.write(grouping.groups(draft.prompts(), draft.with_prompts))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store that version 1 wrote, with "2²?" under the id of "22?"."""
    store.append(tmp_path, [by_version_1(read(SQUARE)), by_version_1(read("Open?", "2"))], 0)
    return tmp_path


@pytest.mark.parametrize(
    ("prompt", "former", "answers", "content"),
    [  # as version 1 made them
        (SQUARE, "7459e6bc4a7b0e0c7d96a90726ca7a25", "c4d8626282302335", "884a467ca842839da95ba02fa6e278c0"),
        (NUMBER, "7459e6bc4a7b0e0c7d96a90726ca7a25", "c4d8626282302335", "465993a3f861040b9b97222d9ba09b18"),
        ("Wait… ½ hour?", "085a7f662e8cb33b64c6cdb87c3e7575", "bce85a09c27e3937", "a48cbbe9f6164154d7fc6c63a4751142"),
    ],
)
def test_ids_of_events_and_answers_and_contents_are_those_of_version_1(
    prompt: str, former: str, answers: str, content: str
) -> None:
    event = read(prompt)
    assert version_1_id(event.prompt) == former
    assert (event.feedback_id, event.responses[0].response_id) == ("a52b12363329dc744f77df92235b3b52", answers)
    assert identity.content(event).startswith(content)
    assert identity.content(by_version_1(event)) == identity.content(event)


def test_two_meanings_have_two_ids_and_one_group(tmp_path: Path) -> None:
    ingested(tmp_path, read(SQUARE, "1"), read(NUMBER, "2"))
    square, number = store.events(tmp_path)
    assert (square.prompt_id, number.prompt_id) == (prompt_id(chat(SQUARE)), prompt_id(chat(NUMBER)))
    assert square.prompt_id != number.prompt_id
    assert square.prompt_group == number.prompt_group
    rows = preferences([square, number], SplitSettings(), "salt").rows
    assert [row.n_votes for row in rows] == [1, 1]


def test_reading_the_same_records_again_changes_nothing(old: Path) -> None:
    before = store.digest(old)
    assert ingested(old, read(SQUARE), read("Open?", "2")) == (0, 2, ())
    assert store.digest(old) == before


def test_a_new_event_joins_the_stored_prompt_of_its_meaning(old: Path) -> None:
    assert ingested(old, read(SQUARE, "3", annotator_id="ana")).new == 1
    first, _, new = store.events(old)
    assert (new.schema_version, new.prompt_id, new.prompt_group) == (2, first.prompt_id, first.prompt_group)
    [_, row] = sorted(preferences([first, _, new], SplitSettings(), "salt").rows, key=lambda row: row.n_votes)
    assert row.n_votes == 2


def test_a_new_prompt_whose_id_is_that_of_another_one_joins_its_group_only(old: Path) -> None:
    ingested(old, read(NUMBER, "3"))
    first, _, new = store.events(old)
    assert (new.prompt_id, new.prompt_group) == (distinct_id(chat(NUMBER)), first.prompt_group)
    ingested(old, read(NUMBER, "4"), read(SQUARE, "5"), round=2)
    assert [event.prompt_id for event in store.events(old)[3:]] == [new.prompt_id, first.prompt_id]


def test_both_meanings_under_one_stored_id_stay_together(tmp_path: Path) -> None:
    store.append(tmp_path, [by_version_1(read(SQUARE, "1")), by_version_1(read(NUMBER, "2"))], 0)
    ingested(tmp_path, read(SQUARE, "3"), read(NUMBER, "4"))
    assert len({event.prompt_id for event in store.events(tmp_path)}) == 1


def test_new_feedback_leaves_the_split_of_an_old_store_as_it_was(tmp_path: Path) -> None:
    prompts = ["Wait…", "½ hour?", "ﬁnd it", "№ 5?", "Ａ b", "Where?", SQUARE]
    store.append(tmp_path, [by_version_1(read(prompt, prompt)) for prompt in prompts], 0)
    split = SplitSettings()

    def splits() -> dict[str, str]:
        return {entry.prompt_id: split.split_of(entry.group, "salt") for entry in store.groups(tmp_path)}

    before = splits()
    ingested(tmp_path, *(read(prompt, f"again {prompt}") for prompt in [*prompts, "Wait...", "1⁄2 hour?", "find it"]))
    after = splits()
    assert before.items() <= after.items()
    groups = {event.prompt[0].content: event.prompt_group for event in store.events(tmp_path)}
    assert groups["Wait..."] == groups["Wait…"]
    assert groups["find it"] == groups["ﬁnd it"]


def test_a_source_that_states_two_groups_for_near_duplicates_gets_the_first() -> None:
    events = [read(SQUARE, "1", prompt_group="a"), read(NUMBER, "2", prompt_group="b")]
    assert [event.prompt_group for event in regroup(events)] == ["a", "a"]


def test_an_exported_record_may_state_any_of_its_ids(old: Path) -> None:
    for stated in (prompt_id(chat(SQUARE)), version_1_id(chat(SQUARE)), distinct_id(chat(SQUARE))):
        event = canonical.event(
            {"kind": "comparison", "prompt": SQUARE, "prompt_id": stated, "schema_version": 1}
            | {"responses": ["Four.", "Five."], "judgements": [{"ranks": [1, 2]}]},
            {"source": "votes", "source_id": "1"},
        )
        assert (event.prompt_id, event.schema_version) == (prompt_id(chat(SQUARE)), 2)
