from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from feedback import store
from feedback.annotators import AnnotatorActivity, activity
from tests.feedback.examples import event


def test_each_annotator_is_counted_in_each_round(tmp_path: Path) -> None:
    store.append(tmp_path, [event(native=name, annotator_id="ana") for name in "ab"], 1)
    store.append(tmp_path, [event(native="c", annotator_id="ben")], 1)
    store.append(tmp_path, [event(native="d", annotator_id="ana")], 2)
    assert activity(tmp_path) == [
        AnnotatorActivity("ana", "human", 1, 2),
        AnnotatorActivity("ben", "human", 1, 1),
        AnnotatorActivity("ana", "human", 2, 1),
    ]


def test_a_missing_folder_has_no_annotators(tmp_path: Path) -> None:
    assert activity(tmp_path / "feedback") == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ana", "ben", "cem"]), st.integers(0, 3)), max_size=12))
def test_the_counts_are_those_of_the_events(records: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        for index, (annotator, round) in enumerate(records):
            store.append(Path(folder), [event(native=str(index), annotator_id=annotator)], round)
        counted = {(row.annotator, row.round): row.records for row in activity(Path(folder))}
    assert counted == Counter(records)
