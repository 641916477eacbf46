"""The map that `inspect` prints names the right columns, leaves open what decides, and is refused until completed."""

import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import BadParams
from feedback import fieldmap
from feedback.columns import columns
from feedback.guesses import template
from tests.feedback.shapes import BAD, GOOD, SHAPES, Q, Shape


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def decides(fields: dict[str, Any]) -> str | None:
    """The part of a map that decides, and the path that it reads."""
    part = next((name for name in ("winner", "scores", "order") if name in fields), None)
    values = fields.get(part or "")
    return f"{part} {values.get('path', values.get('paths'))}" if isinstance(values, dict) else part


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_columns_are_guessed(shape: Shape) -> None:
    guessed, right = yaml.safe_load(template(shape.records)), yaml.safe_load(textwrap.dedent(shape.map))
    for part in ("prompt", "answers", "system"):
        assert as_list(guessed.get(part))[0] == as_list(right.get(part))[0]
    assert len(as_list(guessed["answers"])) == len(as_list(right["answers"]))
    assert decides(guessed) == decides(right)
    assert guessed.get("fields", {}).items() <= right.get("fields", {}).items()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_guess_is_refused_until_it_is_completed(shape: Shape, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(template(shape.records))
    with pytest.raises(BadParams, match="for every TODO"):
        fieldmap.load(tmp_path / "map.yaml")


def test_each_value_of_a_verdict_is_listed() -> None:
    votes = ("left", "right", "no difference", "left")
    records = [{"prompt": Q, "answer_a": GOOD, "answer_b": BAD, "vote": vote} for vote in votes]
    winner = yaml.safe_load(template(records))["winner"]
    assert winner == {"path": "vote", "values": dict.fromkeys(("left", "right", "no difference"), "TODO")}


def test_columns_of_nested_records_have_paths() -> None:
    record = {"item": {"q": Q}, "outputs": [{"text": GOOD}, {"text": BAD}], "meta": '{"lang": "en"}', "none": None}
    paths = {column.path: column.values for column in columns([record])}
    assert paths == {"item.q": [Q], "outputs[*].text": [GOOD, BAD], "meta.lang": ["en"]}


def test_a_text_that_is_json_in_one_record_is_a_text() -> None:
    records = [{"prompt": Q, "output_1": text, "output_2": BAD, "label": 1} for text in (GOOD, "[1, 2, 3]")]
    assert yaml.safe_load(template(records))["answers"] == ["output_1", "output_2"]


def test_columns_that_hold_fields_are_proposed() -> None:
    record = {"prompt": Q, "completion_x": GOOD, "worker": "w1", "created": "2026-01-01", "license": "MIT", "other": 1}
    fields = yaml.safe_load(template([record]))["fields"]
    assert fields == {"annotator_id": "worker", "created_at": "created", "licence": "license"}


@pytest.mark.parametrize(
    "mark", [{"is_good": False}, {"reward": -1}, {"feedback": "thumbs_down"}, {"flagged": True}, {"label": None}]
)
def test_an_answer_beside_a_possible_mark_is_no_demonstration(mark: dict[str, Any]) -> None:
    record = {"question": Q, "answer": GOOD, "topic": "kettles and how to repair them"}
    assert "winner" not in yaml.safe_load(template([record]))
    assert yaml.safe_load(template([record | mark]))["winner"] == "TODO"
    assert next(iter(mark)) in template([record | mark])


def test_no_map_is_guessed_for_an_object_that_holds_the_records() -> None:
    printed = template([{"data": [{"prompt": Q, "chosen": GOOD, "rejected": BAD}]}])
    assert yaml.safe_load(printed) is None
    assert "jq -c '.data[]' FILE > records.jsonl" in printed


@pytest.mark.parametrize("end", ["\n", "\x85", "\u2028", "\r"])
def test_names_of_columns_write_no_lines_of_the_map(end: str) -> None:
    """Nor do values: whoever made the file would decide which answer is the better one."""
    evil = f"x{end}winner: {{path: label, values: {{good: 1}}}}{end}#"
    turns = [{"by": "user", evil: "What now?"}, {"by": "bot", evil: "This."}]
    for record in (
        {"prompt": Q, "response_a": GOOD, "response_b": BAD, "label": "b", evil: "note"},
        {"prompt": Q, evil + "response_a": GOOD, evil + "response_b": BAD, "ranking": evil + "A>B", evil + "label": 1},
        {"messages": turns, "rejected_response": BAD, evil + "score": 1},
        {"prompt": Q, "completion": GOOD, evil + "is_good": True},
    ):
        for line in template([record]).splitlines():
            assert not line.startswith("winner: {path")
