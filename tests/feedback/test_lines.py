import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback
from feedback import lines
from feedback.schema import FeedbackEvent, RejectedRecord


def test_lines_have_their_number_and_blank_ones_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\r\n\n  \n{"b": 2}')
    read = list(lines.read(tmp_path / "a.jsonl"))
    assert [(line.where, line.text) for line in read] == [("a.jsonl:1", '{"a": 1}'), ("a.jsonl:4", '{"b": 2}')]


def test_a_line_keeps_its_identity_in_any_position_and_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n[]\n{}\n")
    (tmp_path / "b.jsonl").write_text("[]\n\n{}\n{}\n")
    identities = [[line.identity for line in lines.read(tmp_path / name)] for name in ("a.jsonl", "b.jsonl")]
    assert len(set(identities[0])) == 3, "the same line twice gives two records"
    assert set(identities[0]) == set(identities[1])


def test_gzip_is_decompressed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))
    assert [line.raw for line in lines.read(tmp_path / "a.jsonl.gz")] == [b"{}"]


def test_the_error_about_a_damaged_archive_names_it(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"prompt": "a long enough line to be cut"}\n' * 50)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFeedback, match=r"cut\.jsonl\.gz: the file is damaged .* download it again"):
        list(lines.read(tmp_path / "cut.jsonl.gz"))


def test_the_error_about_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match=r"none\.jsonl: there is no such file"):
        list(lines.read(tmp_path / "none.jsonl"))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"prompt": ', "the line is not JSON: Expecting value at column 12"),
        (b'{"prompt": "\xff"}', "the line is not UTF-8: byte 13"),
        (b"[1, 2]", "the line is not a JSON object"),
        (b'"text"', "the line is not a JSON object"),
        (b"[" * 100_000, "the line has a number that is too long or nesting that is too deep"),
        (b'{"n": ' + b"1" * 5000 + b"}", "the line has a number that is too long or nesting that is too deep"),
    ],
)
def test_the_error_about_an_unusable_line_states_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(BadFeedback, match=reason):
        lines.parse(lines.Line("a.jsonl:1", raw, 1))


def test_a_byte_order_mark_is_not_part_of_the_record() -> None:
    assert lines.parse(lines.Line("a.jsonl:1", b'\xef\xbb\xbf{"a": 1}', 1)) == {"a": 1}


def odd(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A reader that forgot to check a type, as the layouts may have."""
    return {**record, "prompt": record["prompt"] + "?"}


def test_an_error_that_no_check_foresaw_costs_one_record(tmp_path: Path) -> None:
    answer = '"completion": "good"}\n'
    (tmp_path / "a.jsonl").write_text(f'{{"prompt": "A", {answer}{{"prompt": 1, {answer}{{"prompt": "B", {answer}')
    first, second, third = lines.events(tmp_path / "a.jsonl", "s", {}, odd)
    assert [record.prompt[0].content for record in (first, third) if isinstance(record, FeedbackEvent)] == ["A?", "B?"]
    assert isinstance(second, RejectedRecord)
    assert (second.where, second.record) == ("a.jsonl:2", '{"prompt": 1, "completion": "good"}')
    assert second.reason.startswith("TypeError (")
    assert second.reason.endswith("), expected a record of a known form")


def test_a_part_that_no_check_foresaw_costs_this_part(tmp_path: Path) -> None:
    def parts(record: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        return [{"prompt": prompt, "completion": "good", "source_id": str(prompt)} for prompt in record["prompts"]]

    (tmp_path / "a.jsonl").write_text('{"prompts": ["A", 1, "B"]}\n{"prompts": 1}\n')
    read = list(lines.several(tmp_path / "a.jsonl", "s", {}, parts, lambda part: [odd(part)]))
    assert [isinstance(record, FeedbackEvent) for record in read] == [True, False, True, False]


def test_a_reason_can_be_stored_whatever_it_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"\\ud800": 1}\n')
    [record] = lines.events(tmp_path / "a.jsonl", "s", {})
    assert isinstance(record, RejectedRecord)
    assert "\\ud800" in record.reason.encode().decode()
