"""The log of a service: at most two files, and never an error for the service."""

from pathlib import Path

import pytest

from core.log_file import LogFile, before, tail


def test_a_log_grows_to_its_limit_and_one_file_before_it_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    log = LogFile(path, limit=10)
    for text in (b"12345\n", b"6789\n", b"abc\n", b"defghi\n"):
        log.write(text)
    log.close()
    # 6 + 5 and 5 + 4 + 7 are more than 10 bytes
    assert (path.read_bytes(), before(path).read_bytes()) == (b"defghi\n", b"6789\nabc\n")
    assert sorted(tmp_path.iterdir()) == [path, before(path)]


def test_a_log_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    for text in (b"first\n", b"second\n"):
        log = LogFile(path, limit=10)
        log.write(text)
        log.close()
    assert (path.read_bytes(), before(path).read_bytes()) == (b"second\n", b"first\n")


def test_a_full_disk_is_no_error_for_the_service() -> None:
    log = LogFile(Path("/dev/full"))
    log.write(b"lost\n")
    log.close()


@pytest.mark.parametrize(("lines", "expected"), [(2, ["b", "c"]), (9, ["a", "b", "c"])])
def test_the_last_lines(lines: int, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    path.write_bytes(b"\xff" * 10_000 + b"\na\n\nb \nc\n\n")
    assert [line for line in tail(path, lines) if "\ufffd" not in line] == expected
    assert tail(tmp_path / "none", lines) == []
