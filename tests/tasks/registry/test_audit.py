import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.registry import audit


def three_lines(folder: Path) -> Path:
    path = folder / "audit.jsonl"
    audit.append(path, "bootstrap", "ana", left=None, now="1")
    audit.append(path, "promote", "schedule", left="1", now="2", reason="win rate .61")
    audit.append(path, "rollback", "ana", left="2", now="1", reason="rude\nanswers")
    return path


def test_a_log_has_one_line_per_change_chained_by_hashes(tmp_path: Path) -> None:
    path = three_lines(tmp_path)
    first, second, third = path.read_bytes().splitlines()
    assert json.loads(first)["previous"] == "0" * 64
    assert json.loads(second)["previous"] == hashlib.sha256(first).hexdigest()
    assert json.loads(third)["previous"] == hashlib.sha256(second).hexdigest()
    assert [entry.seq for entry in audit.read(path)] == [1, 2, 3]
    assert audit.read(path)[1].facts == {"left": "1", "now": "2", "reason": "win rate .61"}
    assert audit.verify(path) == []


def test_a_missing_log_is_valid_and_empty(tmp_path: Path) -> None:
    assert audit.verify(tmp_path / "audit.jsonl") == []
    assert audit.read(tmp_path / "audit.jsonl") == []


def test_an_edited_line_is_reported_at_the_next_line(tmp_path: Path) -> None:
    path = three_lines(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"rate .61", b"rate .91"))
    [problem] = audit.verify(path)
    assert problem.startswith(f"{path}:3: ")


def test_an_edited_last_line_is_detected_and_stays_detectable(tmp_path: Path) -> None:
    path = three_lines(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"rude", b"fine"))
    [problem] = audit.verify(path)
    assert problem.startswith(f"{path}:3: ")
    audit.append(path, "promote", "schedule")
    [problem] = audit.verify(path)
    assert problem.startswith(f"{path}:4: ")


def test_removed_and_swapped_lines_are_detected(tmp_path: Path) -> None:
    path = three_lines(tmp_path)
    first, second, third = path.read_bytes().splitlines(keepends=True)
    for damaged in (first + third, second + third, second + first + third, first + second + second + third):
        path.write_bytes(damaged)
        assert audit.verify(path), damaged


def test_a_truncated_log_is_detected_also_after_later_lines(tmp_path: Path) -> None:
    path = three_lines(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert "line 3 was written" in audit.verify(path)[0]
    assert audit.append(path, "promote", "schedule").seq == 4
    assert audit.verify(path)


def test_a_removed_log_is_detected(tmp_path: Path) -> None:
    path = three_lines(tmp_path)
    path.unlink()
    assert "ends after line 0" in audit.verify(path)[0]


def test_a_half_written_line_is_moved_to_the_torn_file_and_the_chain_continues(tmp_path: Path) -> None:
    path = three_lines(tmp_path)
    with path.open("ab") as log:
        log.write(b'{"seq": 4, "at": "20')
    assert audit.verify(path) == []
    assert audit.append(path, "promote", "schedule").seq == 4
    assert path.with_name("audit.jsonl.torn").read_bytes() == b'{"seq": 4, "at": "20\n'
    assert audit.verify(path) == []


def test_a_kill_between_a_line_and_its_head_leaves_a_valid_log(tmp_path: Path) -> None:
    path = three_lines(tmp_path)
    head = path.with_name("audit.jsonl.head")
    older = head.read_bytes()
    audit.append(path, "promote", "schedule")
    head.write_bytes(older)
    assert audit.verify(path) == []
    assert audit.append(path, "promote", "schedule").seq == 5
    assert audit.verify(path) == []


def test_concurrent_writers_produce_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: audit.append(path, "promote", "schedule", number=number), range(24)))
    assert [entry.seq for entry in audit.read(path)] == list(range(1, 25))
    assert {entry.facts["number"] for entry in audit.read(path)} == set(range(24))
    assert audit.verify(path) == []


@settings(max_examples=80, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), byte=st.binary(min_size=1, max_size=1))
def test_any_changed_byte_is_detected(share: float, byte: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = three_lines(Path(folder))
        content = path.read_bytes()
        at = int(share * len(content))
        damaged = content[:at] + byte + content[at + 1 :]
        path.write_bytes(damaged)
        assert bool(audit.verify(path)) == (damaged != content)


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_any_truncation_is_detected(share: float) -> None:
    with TemporaryDirectory() as folder:
        path = three_lines(Path(folder))
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        assert audit.verify(path)


def test_temporary_files_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    audit.repair(log)  # the log does not exist yet
    audit.append(log, "promote", "ana", left="", now="1")
    draft = tmp_path / ".audit.jsonl.head.abc.draft"
    draft.mkdir()
    audit.repair(log)
    assert (draft.exists(), audit.verify(log)) == (False, [])
