"""What waits: what the command acknowledges is what the next round counts, with the same ids."""

import gzip
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.packaging.compression import Compression
from feedback.sources.jsonl import JSONL
from tasks.state import handing_in, intake
from tasks.state.workspace import Workspace
from tests.feedback.layouts.fixtures import FIXTURES
from tests.feedback.packaging.test_packaging import COMPRESS, WRITERS
from tests.tasks.state.handed_in import GOOD, ingested, lines, preference

Records = list[dict[str, Any]]


def turns(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def implicit(number: int, text: str) -> dict[str, Any]:
    question = turns("user", f"Q{number}? {text}")
    return {name: [*question, *turns("assistant", f"{name} {text}")] for name in ("chosen", "rejected")}


def openai(number: int, text: str) -> dict[str, Any]:
    question = {"messages": turns("user", f"Q{number}? {text}")}
    answers = {name: turns("assistant", f"{name} {text}") for name in ("preferred_output", "non_preferred_output")}
    return {"input": question, **answers}


def ranking(number: int, text: str) -> dict[str, Any]:
    answers = [f"best {text}", f"middle {text}", f"worst {text}"]
    judgements = [{"criterion": "overall", "ranks": [1, 2, 3]}]
    return {"kind": "ranking", "prompt": f"Q{number}? {text}", "responses": answers, "judgements": judgements}


JSON_KINDS = ("lines", "array", "indented array")
TEXT_TABLES = ("csv", "semicolons", "tsv")
FORMS: list[Callable[[int, str], dict[str, Any]]] = [
    preference,
    implicit,
    openai,
    ranking,
    lambda number, text: {"prompt": f"Q{number}? {text}", "completion": f"good {text}"},
    lambda number, text: {"prompt": f"Q{number}? {text}", "completion": f"good {text}", "label": "true"},
    lambda number, text: {
        "messages": [*turns("user", f"Q{number}?"), *turns("assistant", f"good {text}")],
        "topic": "a",
    },
    lambda number, text: preference(number, text) | {"source_id": number, "annotator_id": "ana"},
    lambda number, text: preference(number, text) | {"source": "desk", "source_id": f"{number}", "license": "MIT"},
]

WITH_LAYOUTS = [
    *FORMS,
    *(partial(lambda record, number, text: {**record, "n": number, "remark": text}, each.record) for each in FIXTURES),
]
"""Those of all layouts too, for JSON: some have values of several types in one column, which a table does not."""


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """The record as a row of CSV."""
    return {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in record.items()}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, Compression, Records]:
    """A kind of file, its compression and records of one form, some of them repeated."""
    written = draw(st.sampled_from(sorted(WRITERS)))
    form = draw(st.sampled_from(WITH_LAYOUTS if written in JSON_KINDS else FORMS))
    texts = draw(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8), min_size=1, max_size=6))
    records = [form(number, text) for number, text in enumerate(texts)]
    return written, draw(st.sampled_from(list(Compression))), [*records, *records[: draw(st.integers(0, 2))]]


@settings(deadline=None, max_examples=60)
@given(files())
def test_what_is_acknowledged_is_what_the_next_round_counts(file: tuple[str, Compression, Records]) -> None:
    written, compression, records = file
    rows = [flat(record) for record in records] if written in TEXT_TABLES else records
    content = WRITERS[written][1](rows)
    with tempfile.TemporaryDirectory() as folder:
        ids = []
        for name, packed in (("plain", content), ("packed", COMPRESS[compression](content))):
            root = Path(folder) / name
            root.mkdir()
            (root / "export").write_bytes(packed)
            workspace = Workspace(root / "workspace")
            handed_in = handing_in.hand_in(workspace, [root / "export"])
            assert (handed_in.records, handed_in.rejected) == (len(records), 0)
            acknowledged = intake.new_records(workspace)
            expected = {event.feedback_id for event in intake.inbox_events(workspace)}
            metrics, stored = ingested(root)
            assert metrics["new"] == acknowledged
            assert stored == expected
            ids.append(stored)
        assert ids[0] == ids[1], "the same ids, compressed or not"


def test_what_was_imported_is_counted_without_reading_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lines(tmp_path / "votes.jsonl", GOOD, GOOD | {"source_id": 7})
    packed = tmp_path / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(GOOD | {"prompt": "Is it far?"}).encode()))
    workspace = Workspace(tmp_path / "workspace")
    handing_in.hand_in(workspace, [plain, packed])
    expected = {event.feedback_id for event in intake.inbox_events(workspace)}
    monkeypatch.setattr(JSONL, "read", lambda *_: pytest.fail("a file was read again"))
    assert intake.new_records(workspace) == len(expected) == 3
