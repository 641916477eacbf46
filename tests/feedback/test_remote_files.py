"""Feedback in object stores. The store is in this process's memory: fsspec opens all of them in the same way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback
from feedback import remote_files


@pytest.fixture
def store() -> Iterator[Any]:
    from fsspec.implementations.memory import MemoryFileSystem

    files = MemoryFileSystem()
    files.pipe_file("/feedback/parts/b.jsonl", b"second")
    files.pipe_file("/feedback/parts/a/a.jsonl", b"first")
    yield files
    files.rm("/feedback", recursive=True)


def contents(path: Path) -> dict[str, bytes]:
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_which_paths_are_addresses() -> None:
    for address in ("s3://bucket/x", "memory://x", "gs:/bucket/x"):
        assert remote_files.is_address(Path(address))
    for path in ("hf://datasets/a/b", "/x", "x/y", ".", "C:/x"):
        assert not remote_files.is_address(Path(path))
        assert remote_files.local(Path(path)) == Path(path)


def test_a_folder_is_copied_once_for_each_change(store: Any) -> None:
    address = Path("memory://feedback/parts")
    first = remote_files.local(address)
    assert contents(first) == {"a/a.jsonl": b"first", "b.jsonl": b"second"}
    (first / "b.jsonl").write_bytes(b"mark")
    assert remote_files.local(address) == first
    assert (first / "b.jsonl").read_bytes() == b"mark"
    store.pipe_file("/feedback/parts/b.jsonl", b"third!")
    assert contents(remote_files.local(address)) == {"a/a.jsonl": b"first", "b.jsonl": b"third!"}


def test_a_file_keeps_its_name(store: Any) -> None:
    copy = remote_files.local(Path("memory://feedback/parts/b.jsonl"))
    assert (copy.name, copy.read_bytes()) == ("b.jsonl", b"second")


def test_what_is_not_there_or_cannot_be_read_is_named(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadFeedback, match=r"memory://feedback/none: there is no such file or folder; set `path`"):
        remote_files.local(Path("memory://feedback/none"))
    with pytest.raises(BadFeedback, match=r"nothing://x cannot be read .*correct `path`"):
        remote_files.local(Path("nothing://x"))
