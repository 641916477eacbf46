"""Events as training reads them are those that were stored."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback import store
from feedback.arrow import to_table
from feedback.preferences import demonstrations, preferences
from feedback.prompts import prompts
from feedback.schema import FeedbackEvent
from feedback.split import SplitSettings
from feedback.stored import COLUMNS, Decoder, StoredEvent, StoredJudgement
from tests.feedback.examples import event, reply, valid_events, vote

SALT = "salt"


def plain(each: FeedbackEvent) -> tuple[Any, ...]:
    """The fields of a stored event, taken from the event itself."""
    judgements = tuple(
        tuple(getattr(judgement, name) for name in StoredJudgement._fields) for judgement in each.judgements
    )
    nested = {
        "prompt": tuple((turn.role, turn.content) for turn in each.prompt),
        "responses": tuple(
            (response.text, response.parent_ix, response.model, response.model_version) for response in each.responses
        ),
        "judgements": judgements,
    }
    return tuple(nested.get(name, getattr(each, name)) for name in COLUMNS)


@settings(deadline=None, max_examples=50)
@given(st.lists(valid_events(), max_size=5), st.integers(1, 3))
def test_every_field_comes_back_from_any_batch(events: list[FeedbackEvent], size: int) -> None:
    decoder = Decoder()
    batches = to_table(events).combine_chunks().to_batches(max_chunksize=size)
    read = [each for batch in batches for each in decoder.events(batch)]
    assert [tuple(each) for each in read] == [plain(each) for each in events]


def test_a_table_without_rows_has_no_events() -> None:
    assert list(Decoder().events(to_table([]))) == []
    assert list(Decoder().events(pa.RecordBatch.from_pylist([], schema=to_table([]).schema))) == []


def test_equal_prompts_are_one_object(tmp_path: Path) -> None:
    store.append(tmp_path, [vote("1"), vote("2")], round=0)
    store.append(tmp_path, [vote("3")], round=1)
    first, second, third = store.stored(tmp_path)
    assert first.prompt is second.prompt is third.prompt
    assert first.judgements is third.judgements
    assert [each.feedback_id for each in store.stored(tmp_path, {1})] == [third.feedback_id]


def test_the_rows_of_stored_events_are_known(tmp_path: Path) -> None:
    """Votes of two people on one pair, a demonstration, a correction and a thumb; the values are counted by hand."""
    edited = event(
        "Where?",
        kind="correction",
        native="4",
        responses=[reply("Over there"), reply("Over here", parent_ix=0, origin="human_edit")],
    )
    events = [
        vote("1", ranks=(1, 2), annotator_id="ana", licence="MIT"),
        vote("2", ranks=(2, 1), annotator_id="ben"),
        vote("2b", ranks=(1, 2), annotator_id="ben", flags=("safety",)),
        event("Who?", ("Nobody.",), "demonstration", "3", annotator_id="ana"),
        edited,
        event("Who?", ("Me.",), "binary", "5"),
    ]
    store.append(tmp_path, events, round=2)
    stored = list(store.stored(tmp_path))
    assert all(isinstance(each, StoredEvent) for each in stored)

    derived = preferences(stored, SplitSettings(), SALT)
    assert [(row.chosen, row.p_chosen, row.n_votes, row.round) for row in derived.rows if row.n_votes == 2] == [
        ("Rayleigh scattering.", 1.0, 2, 2)
    ]
    assert (derived.counts.votes, derived.counts.repeated, derived.counts.corrections) == (3, 1, 1)
    assert [(row.completion, row.weight) for row in demonstrations(stored, SplitSettings(), SALT)] in (
        [("Nobody.", 1.0), ("Over here", 1.0)],
        [("Over here", 1.0), ("Nobody.", 1.0)],
    )
    assert sorted(row.prompt[0]["content"] for row in prompts(stored, SplitSettings(), SALT)) == [
        "Where?",
        "Who?",
        "Why is the sky blue?",
    ]
    for rows in (preferences, demonstrations, prompts):
        assert rows(stored, SplitSettings(), SALT) == rows(store.events(tmp_path), SplitSettings(), SALT)
