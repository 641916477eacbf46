"""What `rounds feedback inspect` prints; the commands in it are typed."""

import json
import shlex
from pathlib import Path
from typing import Any

import yaml

from cli.display.inspected import MOST_TOKENS, command, lines
from feedback import fieldmap
from feedback.inspection import inspect
from models.policy import ModelSettings

HELPSTEER3 = {"context": "Q?", "response1": "A", "response2": "B", "overall_preference": 2}


def printed(file: Path, *records: dict[str, Any], fields: Path | None = None) -> list[str]:
    if records:
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
    found = inspect(file, fieldmap.load(fields) if fields else None)
    return "\n".join(lines(found, fields)).splitlines()


def test_the_winner_is_marked(tmp_path: Path) -> None:
    text = printed(tmp_path / "a.jsonl", HELPSTEER3)
    assert [line.strip() for line in text if "[" in line] == ["[loser]  A", "[WINNER] B"]


def test_the_mark_is_by_the_criterion_overall_else_by_a_criterion_that_is_named(tmp_path: Path) -> None:
    safety, overall = {"criterion": "safety", "ranks": [2, 1]}, {"criterion": "overall", "ranks": [1, 2]}
    record = {"kind": "comparison", "prompt": "Q?", "responses": ["A", "B"]}
    text = printed(tmp_path / "a.jsonl", record | {"judgements": [safety, overall]})
    assert [line.strip() for line in text if "[" in line] == ["[WINNER] A", "[loser]  B"]
    assert not any("marked by" in line for line in text)
    text = printed(tmp_path / "b.jsonl", record | {"judgements": [safety]})
    assert [line.strip() for line in text if "[" in line] == ["[loser]  A", "[WINNER] B"]
    assert any("marked by the criterion safety" in line for line in text)


def test_the_licence_of_the_public_set_is_suggested_and_never_set(tmp_path: Path) -> None:
    file = tmp_path / "a b.jsonl"
    text = printed(file, HELPSTEER3, HELPSTEER3)
    assert any("licence none-stated" in line for line in text)
    [typed] = [line.strip() for line in text if "--licence" in line]
    assert shlex.split(typed) == ["rounds", "feedback", "import", str(file), "--licence", "CC-BY-4.0"]
    (tmp_path / "licence.yaml").write_text("constant: {licence: CC-BY-4.0}")
    stated = printed(file, fields=tmp_path / "licence.yaml")
    assert any("licence CC-BY-4.0" in line for line in stated)
    assert not any("--licence" in line for line in stated)


def test_what_will_be_ignored_is_counted(tmp_path: Path) -> None:
    record = {"prompt": "Q?", "chosen": "A", "rejected": "B", "feedback_id": "x", "supersedes": "y"}
    text = printed(tmp_path / "a.jsonl", record, record | {"prompt": "R?", "split": "holdout"})
    assert [line.split(":")[0] for line in text if "without --trust" in line] == [
        "2 records state feedback_id",
        "1 record states split",
        "2 records supersede another event; without --trust, only the same annotator's.",
    ]


def test_no_licence_is_suggested_for_a_form_that_everybody_uses(tmp_path: Path) -> None:
    text = printed(tmp_path / "a.jsonl", {"prompt": "Q?", "chosen": "A", "rejected": "B"})
    assert not any("--licence" in line for line in text)


def test_a_map_to_complete_is_printed_for_unknown_columns(tmp_path: Path) -> None:
    text = printed(tmp_path / "a.jsonl", {"q": "Q?", "answer_x": "A", "answer_y": "B", "vote": "x"})
    start = next(ix for ix, line in enumerate(text) if line.startswith("# Guessed"))
    end = next(ix for ix, line in enumerate(text) if line.startswith("Then type"))
    assert yaml.safe_load("\n".join(text[start:end]))["answers"] == ["answer_x", "answer_y"]
    assert text[-1].endswith("a.jsonl --map map.yaml")


def test_a_corrected_score_is_flagged(tmp_path: Path) -> None:
    low = {"response": "A", "annotations": {"honesty": {"Rating": "1"}}, "overall_score": 10}
    high = {"response": "B", "annotations": {"honesty": {"Rating": "4"}}, "overall_score": 7}
    text = printed(tmp_path / "a.jsonl", {"instruction": "Q?", "completions": [low, high]})
    assert "  flags: overall_score_corrected" in text
    assert "  [WINNER] B" in text


def test_the_lengths_are_counted_in_words(tmp_path: Path) -> None:
    text = printed(tmp_path / "a.jsonl", {"prompt": "one two", "completion": "one two three"})
    assert any("longest 2" in line and "longest 3" in line for line in text)


def test_a_name_that_begins_like_an_option_is_typed_with_its_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-a.jsonl").write_text(json.dumps({"prompt": "Q?", "completion": "A"}) + "\n")
    assert command(inspect(Path("-a.jsonl"))) == "rounds feedback import ./-a.jsonl"
    Path("-b.jsonl").write_text(json.dumps({"q": "Q?"}) + "\n")
    assert printed(Path("-b.jsonl"))[-1] == "  rounds feedback inspect ./-b.jsonl --map map.yaml"


def test_a_folder_is_named_by_its_number_of_files(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(json.dumps({"prompt": "Q?", "completion": "A"}) + "\n")
    text = printed(tmp_path)
    assert text[0] == f"{tmp_path.name}: 2 files (JSON lines), 2 records"
    assert text[-1] == f"  rounds feedback import {shlex.quote(str(tmp_path))}"


def test_pairs_that_are_equal_after_the_cut_are_counted(tmp_path: Path) -> None:
    same = {"prompt": "Q?", "chosen": "one two three four", "rejected": "one two three five"}
    other = {"prompt": "Q!", "chosen": "one two", "rejected": "one two three four"}
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in (same, other)))
    found = inspect(tmp_path / "a.jsonl")
    assert found.shared == {3: 1, 2: 1}
    assert [line[:12] for line in lines(found, most_tokens=3) if "after the cut" in line] == ["1 of 2 pairs"]
    assert [line[:12] for line in lines(found, most_tokens=2) if "after the cut" in line] == ["2 of 2 pairs"]
    assert not [line for line in lines(found, most_tokens=4) if "after the cut" in line]


def test_the_default_limit_is_that_of_the_model() -> None:
    assert ModelSettings().max_answer_tokens == MOST_TOKENS
