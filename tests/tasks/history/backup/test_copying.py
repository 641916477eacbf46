import os
import sqlite3
import stat
from pathlib import Path

import pytest

from core.errors import BadWorkspace, Damaged, Unwritable
from core.files import digest
from tasks.history.backup import copying


def test_a_copy_has_the_time_of_the_original_and_is_private(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_text("x")
    source.chmod(0o666)
    os.utime(source, ns=(1, 123_456_789))
    sha256 = copying.copy_file(source, tmp_path / "into/below/a")
    copied = (tmp_path / "into/below/a").stat()
    assert sha256 == digest(source) == digest(tmp_path / "into/below/a")
    assert (copied.st_mtime_ns, stat.S_IMODE(copied.st_mode)) == (123_456_789, 0o600)
    assert stat.S_IMODE((tmp_path / "into").stat().st_mode) == 0o700


def test_only_an_unchanged_file_is_linked(tmp_path: Path) -> None:
    source, earlier = tmp_path / "a", tmp_path / "earlier"
    source.write_text("x")
    copying.copy_file(source, earlier)
    assert copying.link_file(earlier, source, tmp_path / "b")
    assert (tmp_path / "b").stat().st_ino == earlier.stat().st_ino
    source.write_text("y!")
    assert not copying.link_file(earlier, source, tmp_path / "c")
    assert not copying.link_file(tmp_path / "gone", source, tmp_path / "c")


def test_a_database_is_copied_as_committed_while_it_is_written(tmp_path: Path) -> None:
    writing = sqlite3.connect(tmp_path / "a.db")
    writing.executescript("pragma journal_mode=wal; create table t (x); insert into t values (1)")
    writing.execute("insert into t values (2)")  # not committed
    assert copying.copy_database(tmp_path / "a.db", tmp_path / "b.db") == digest(tmp_path / "b.db")
    writing.commit()
    copy = sqlite3.connect(tmp_path / "b.db")
    assert copy.execute("select x from t").fetchall() == [(1,)]
    copy.close()
    writing.close()
    assert sorted(path.name for path in tmp_path.glob("b.db*")) == ["b.db"]


def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("no database" * 100)
    with pytest.raises(Damaged, match=r"a\.db"):
        copying.copy_database(tmp_path / "a.db", tmp_path / "b.db")


def test_too_little_room_is_an_error(tmp_path: Path) -> None:
    copying.check_space(tmp_path / "new/folder", 1)
    with pytest.raises(Unwritable, match="free"):
        copying.check_space(tmp_path / "new/folder", 10**18)


def test_an_error_of_the_system_names_what_was_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(BadWorkspace, match="nothing"), copying.explaining(tmp_path / "into", tmp_path / "w"):
        (tmp_path / "w/nothing").open()
    with pytest.raises(Unwritable, match="into"), copying.explaining(tmp_path / "into", tmp_path / "w"):
        raise OSError(28, "No space left on device")
