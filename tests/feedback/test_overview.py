"""The stored feedback in numbers."""

from datetime import UTC, datetime
from pathlib import Path

from feedback import store
from feedback.overview import overview
from feedback.schema import RejectedRecord
from tests.feedback.examples import vote


def test_an_empty_store_has_nothing(tmp_path: Path) -> None:
    counted = overview(tmp_path)
    assert (counted.events, counted.kinds, counted.agreement, counted.quarantined) == (0, {}, {}, 0)


def test_events_are_counted_by_each_field_and_by_week(tmp_path: Path) -> None:
    monday, later = datetime(2026, 11, 23, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    first = [vote("1", annotator_id="ana", created_at=monday), vote("2", annotator_id="bo", licence="MIT")]
    store.append(tmp_path, first, 0)
    store.append(tmp_path, [vote("3", annotator_id="ana", created_at=later, source="desk")], 2)
    store.quarantine(tmp_path, [RejectedRecord(source="s", where="1", reason="r", record="{}")], 2)
    counted = overview(tmp_path)
    assert counted.events == 3
    assert counted.annotators == {"ana": 2, "bo": 1}
    assert counted.sources == {"test": 2, "desk": 1}
    assert counted.licences == {"none-stated": 2, "MIT": 1}
    assert counted.rounds == {"0": 2, "2": 1}
    assert counted.weeks == {"2026-W48": 1, "2026-W53": 1, "not stated": 1}
    assert counted.quarantined == 1


def test_agreement_is_computed_for_each_criterion(tmp_path: Path) -> None:
    polite = {"criterion": "polite"}
    votes = [vote("1", (1, 2), annotator_id="ana"), vote("2", (1, 2), annotator_id="bo")]
    votes += [vote("3", (1, 2), annotator_id="ana", **polite), vote("4", (2, 1), annotator_id="bo", **polite)]
    votes += [vote("5", annotator_id="ana", criterion="alone")]
    store.append(tmp_path, votes, 0)
    agreement = overview(tmp_path).agreement
    assert {name: (value.pairs, value.share) for name, value in agreement.items()} == {
        "overall": (1, 1.0),
        "polite": (1, 0.0),
    }
    assert overview(tmp_path).to_json()["agreement"]["polite"]["pairs"] == 1
