"""What waits in the inbox is counted from an index, which is never used for a file that it was not made from."""

import os
from pathlib import Path

import pytest

from tasks.state.inbox_index import InboxIndex, count_new, packed


def read(file: Path) -> bytes:
    return packed(file.read_text().split())


def unread(file: Path) -> bytes:
    raise AssertionError(f"{file} was read again")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "votes.jsonl"
    file.write_text("1 2 3")
    return file


def indexed(file: Path, code: str = "code") -> InboxIndex:
    return InboxIndex(file.with_name("inbox.ids"), code)


def test_ids_are_counted_once() -> None:
    assert count_new(packed(["1", "2", "2", "3"]), packed(["2", "4"])) == 2
    assert count_new(b"", packed(["1"])) == count_new(packed(["1"]), packed(["1"])) == count_new(b"", b"") == 0


def test_a_known_file_is_not_read_again(file: Path) -> None:
    index = indexed(file)
    assert index.ids([file], read) == packed(["1", "2", "3"])
    index.save()
    assert indexed(file).ids([file], unread) == packed(["1", "2", "3"])


def test_what_was_counted_while_it_was_imported_is_not_read_again(file: Path) -> None:
    index = indexed(file)
    index.add(file, packed(["1"]))
    index.save()
    assert indexed(file).ids([file], unread) == packed(["1"])


def test_a_file_that_has_changed_or_that_other_code_counted_is_read_again(file: Path) -> None:
    index = indexed(file)
    index.ids([file], read)
    index.save()
    assert indexed(file, "other code").ids([file], lambda _: b"read") == b"read"
    file.write_text("1 2 4")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert indexed(file).ids([file], read) == packed(["1", "2", "4"])


def test_files_that_are_gone_are_forgotten(file: Path) -> None:
    index = indexed(file)
    index.ids([file], read)
    assert index.ids([], unread) == b""
    index.save()
    assert indexed(file).ids([file], lambda _: b"read") == b"read"


def test_a_damaged_index_is_made_again(file: Path) -> None:
    file.with_name("inbox.ids").write_bytes(b"no Arrow file")
    index = indexed(file)
    assert index.ids([file], read) == packed(["1", "2", "3"])
    index.save()
    assert indexed(file).ids([file], unread) == packed(["1", "2", "3"])
