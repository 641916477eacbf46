import gzip
import json
from pathlib import Path

import pytest

from feedback import forgotten, json_text, lines
from feedback.schema import RejectedRecord

FORMS = {
    "at the top": ('{"prompt": "Q?", "chosen": "Yes.", "rejected": "No.", "chosen": "Never."}', "chosen"),
    "in a turn": (
        '{"prompt": [{"role": "user", "content": "a", "content": "b"}], "chosen": "Y", "rejected": "N"}',
        "content",
    ),
    "in extra": ('{"prompt": "Q?", "chosen": "Y", "rejected": "N", "x": [{"y": {"z": 1, "z": 1}}]}', "z"),
    "as an escape": ('{"prompt": "Q?", "chosen": "Y", "rejected": "N", "\\u0070rompt": "R?"}', "prompt"),
}
GOOD = '{"prompt": "Q?", "chosen": "Yes.", "rejected": "No."}'


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packed", ["jsonl", "jsonl.gz", "json"])
def test_a_repeated_key_rejects_the_record_by_its_name(tmp_path: Path, form: str, packed: str) -> None:
    record, key = FORMS[form]
    texts = f"[{GOOD}, {record}, {GOOD}]" if packed == "json" else f"{GOOD}\n{record}\n{GOOD}\n"
    file = tmp_path / f"a.{packed}"
    file.write_bytes(gzip.compress(texts.encode()) if packed.endswith("gz") else texts.encode())
    _, rejected, _ = lines.events(file, "s", {})
    assert isinstance(rejected, RejectedRecord)
    assert f"{key!r} is written twice" in rejected.reason
    assert rejected.record == record, "both values are kept"


def test_a_cell_with_a_repeated_key_stays_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('prompt,extra\nQ?,"{""a"": 1, ""a"": 2}"\n')
    [line] = lines.read(tmp_path / "a.csv")
    assert json.loads(line.raw)["extra"] == '{"a": 1, "a": 2}'


def test_who_is_named_in_either_value_is_found() -> None:
    assert {"ana", "bo"} <= forgotten.texts('{"annotator_id": "ana", "annotator_id": "bo"}')


def test_equal_keys_of_different_objects_are_no_repetition() -> None:
    assert json_text.loads('[{"a": {"a": 1}}, {"a": 2}]') == [{"a": {"a": 1}}, {"a": 2}]
