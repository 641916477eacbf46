"""Files that hold texts of people: whose they are, and how a group shares them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.private import make_new_files_private, mask, narrow


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    umask = os.umask(0o022)
    yield
    os.umask(umask)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def tree(root: Path) -> list[Path]:
    (root / "data/inbox").mkdir(parents=True)
    (root / "cache").mkdir()
    for file in ("data/inbox/a", "data/b", "cache/c"):
        (root / file).write_text("text")
    return [root / "data", root / "data/inbox", root / "data/inbox/a", root / "data/b", root / "cache"]


def test_what_was_wider_is_narrowed_with_everything_below(tmp_path: Path) -> None:
    paths = tree(tmp_path)
    narrow(tmp_path, [tmp_path / "data", tmp_path / "gone"], tmp_path / "cache")
    assert [mode(path) for path in paths] == [0o700, 0o700, 0o600, 0o600, 0o700]
    assert mode(tmp_path / "cache/c") == 0o644  # its folder is closed, and its mode is DVC's


def test_a_workspace_is_shared_by_the_bit_of_its_folder(tmp_path: Path) -> None:
    paths = tree(tmp_path)
    for path in paths:
        path.chmod(0o775 if path.is_dir() else 0o664)
    tmp_path.chmod(0o2770)
    assert mask(tmp_path) == 0o007
    narrow(tmp_path, [tmp_path / "data"], tmp_path / "cache")
    assert [mode(path) for path in paths] == [0o770, 0o770, 0o660, 0o660, 0o770]
    make_new_files_private(tmp_path)
    (tmp_path / "new").touch()
    assert mode(tmp_path / "new") == 0o660


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("text")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to(outside)
    narrow(tmp_path, [tmp_path / "data"], tmp_path / "cache")
    assert mode(outside) == 0o644
