"""File systems by URL: a driver that is missing is named with the command that installs it."""

import sys
from pathlib import Path

import pytest

from core.errors import NotInstalled
from core.filesystems import DRIVERS, opened
from tasks.state.workspace import PROJECT


def test_a_url_gives_a_file_system_and_a_path_in_it(tmp_path: Path) -> None:
    files, path = opened(f"file://{tmp_path}/a")
    files.pipe_file(path, b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


@pytest.mark.parametrize("scheme", DRIVERS)
def test_a_missing_driver_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(NotInstalled, match=rf"{scheme}://bucket needs a driver .*requirements-s3\.txt"):
        opened(f"{scheme}://bucket")
    assert "s3fs==" in (PROJECT / DRIVERS[scheme]).read_text()


def test_an_unknown_scheme_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        opened("nothing://x")
