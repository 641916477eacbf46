"""Exported feedback, imported again: the same events with the same ids."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadFeedback
from feedback import canonical, store
from feedback.export import export
from feedback.forgotten import pseudonym
from feedback.lines import events
from feedback.schema import FeedbackEvent
from feedback.store import identity
from feedback.trust import Trust
from tests.feedback.examples import vote

_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda text: text.strip())
_ids = st.none() | _texts | st.integers(0, 99)
_common = {
    "annotator_id": _ids,
    "source_id": _ids,
    "created_at": st.none() | st.just("2026-11-29T08:00:00Z"),
    "flags": st.lists(_texts, max_size=2),
    "annotator_groups": st.dictionaries(_texts, _texts, max_size=2),
    "licence": st.just("MIT"),
    "shop": _texts | st.integers() | st.none(),
}
_short = st.one_of(
    st.fixed_dictionaries({"prompt": _texts, "chosen": st.just("Yes."), "rejected": st.just("No.")}, optional=_common),
    st.fixed_dictionaries({"prompt": _texts, "completion": _texts}, optional=_common),
    st.fixed_dictionaries({"prompt": _texts, "completion": _texts, "label": st.booleans()}, optional=_common),
)
_ranked = st.fixed_dictionaries(
    {
        "kind": st.just("ranking"),
        "prompt": _texts,
        "responses": st.just(["Yes.", "No.", {"messages": "Soon.", "origin": "model", "model_version": "7"}]),
        "judgements": st.just([{"ranks": [1, 2, None], "rationale": "so"}, {"criterion": "polite", "outcome": "tie"}]),
    },
    optional={name: _common[name] for name in ("annotator_id", "source_id", "created_at")},
)


def accepted(records: list[dict[str, Any]]) -> list[FeedbackEvent]:
    """The records as events, those with an id of an earlier one left out."""
    read = [canonical.event(record, {"source": "s", "source_id": str(ix)}) for ix, record in enumerate(records)]
    return [*{event.feedback_id: event for event in read}.values()]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@settings(deadline=None, max_examples=25)
@given(records=st.lists(_short | _ranked, min_size=1, max_size=4))
def test_what_is_exported_is_imported_with_the_same_ids_and_contents(
    ending: str, records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("export")
    given = accepted(records)
    store.append(folder / "before", given, 3)
    file = folder / f"all.{ending}"
    assert export(folder / "before", file) == len(given)
    imported = [event for event in events(file, "another", {}, trust=Trust.FULL) if isinstance(event, FeedbackEvent)]
    store.append(folder / "after", imported, 0)
    before, after = (store.events(folder / name) for name in ("before", "after"))
    assert [event.feedback_id for event in after] == [event.feedback_id for event in before]
    assert [identity.content(event) for event in after] == [identity.content(event) for event in before]
    assert [event.source for event in after] == [event.source for event in before]


def test_events_are_selected_by_kind_source_and_annotator(tmp_path: Path) -> None:
    votes = [vote("1", annotator_id="ana"), vote("2", kind="ranking"), vote("3", source="desk")]
    store.append(tmp_path, votes, 0)

    def exported(**selection: Any) -> list[str]:
        file = tmp_path / "some.jsonl"
        export(tmp_path, file, **selection)
        return [json.loads(line)["source_id"] for line in file.read_text().splitlines()]

    assert exported() == ["1", "2", "3"]
    assert exported(kinds=["comparison"]) == ["1", "3"]
    assert exported(kinds=["comparison"], sources=["desk"]) == ["3"]
    assert exported(forgotten=[pseudonym("ana")]) == ["2", "3"]


def test_an_empty_store_gives_an_empty_table_and_another_ending_is_refused(tmp_path: Path) -> None:
    assert export(tmp_path, tmp_path / "none.parquet") == 0
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0
    with pytest.raises(BadFeedback, match=r"\.parquet"):
        export(tmp_path, tmp_path / "all.csv")
