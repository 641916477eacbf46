"""Records that are built to make reading slow, each of 200 kB."""

from pathlib import Path

import pytest

from benchmarks.hostile import KINDS, read, seconds, table

REFUSED = {  # kind → a part of the reason
    "nested lists": "nesting that is too deep",
    "nested objects": "nesting that is too deep",
    "an integer": "a number that is too long",
    "keys": "columns, expected at most 1,000",
    "keys like a prompt": "columns, expected at most 1,000",
    "turns": "turns, expected at most 1,000",
    "answers": "pairs, expected at most 5,000",
    "equal answers": "pairs, expected at most 5,000",
    "ratings": "pairs, expected at most 5,000",
    "judgements": "entries, expected at most 200",
    "long answers with a long prompt": "characters with their prompt",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_record_is_read_in_seconds(kind: str) -> None:
    """The slowest took more than a minute; now it takes about one second, so the bound is generous."""
    record = KINDS[kind](200_000)
    assert 100_000 < len(record) < 400_000
    assert seconds(record) < 5


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_linear_is_refused_with_the_count(kind: str, tmp_path: Path) -> None:
    assert REFUSED[kind] in read(KINDS[kind](200_000), tmp_path)


def test_the_table_has_a_row_for_each_kind() -> None:
    assert len(table([1]).splitlines()) == len(KINDS) + 2
