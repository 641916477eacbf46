from pathlib import Path

import pytest

from core.errors import Damaged, NotFound
from core.files import digest, write_json
from tasks.history.backup import manifest
from tasks.history.backup.manifest import CONTENT, MANIFEST, BackupManifest


def backup(folder: Path, *names: str) -> Path:
    """A backup with these files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    files = {name: digest(folder / name) for name in names}
    facts = {"made": manifest.now(), "versions": manifest.versions(), "id": "0" * 32, "name": "w", "bytes": 1}
    made = BackupManifest(**facts, files=files, sums=manifest.summed(files))
    write_json(folder / MANIFEST, made.to_json())
    return folder


def test_a_complete_backup_is_verified(tmp_path: Path) -> None:
    folder = backup(tmp_path, f"{CONTENT}/a", f"{CONTENT}/b c/d\\n\n", "champion/policy/x")
    read = manifest.verify(folder)
    assert set(read.of_workspace()) == {"a", "b c/d\\n\n"}
    assert {"python", "rounds", "mlflow"} <= set(read.versions)


def test_a_changed_or_missing_file_is_named(tmp_path: Path) -> None:
    folder = backup(tmp_path, f"{CONTENT}/a", f"{CONTENT}/b", f"{CONTENT}/c")
    (folder / CONTENT / "a").write_text("A")
    (folder / CONTENT / "b").unlink()
    with pytest.raises(Damaged) as error:
        manifest.verify(folder)
    assert all(part in str(error.value) for part in ("2 of 3", "/a differs", "/b is missing"))


def test_a_folder_without_a_manifest_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=MANIFEST):
        manifest.read(tmp_path)


@pytest.mark.parametrize(("before", "after"), [(f"{CONTENT}/a", f"{CONTENT}/b"), ("0" * 8, "1" * 8)])
def test_a_changed_manifest_is_noticed(tmp_path: Path, before: str, after: str) -> None:
    folder = backup(tmp_path, f"{CONTENT}/a")
    file = folder / MANIFEST
    text = file.read_text().replace(f'"{before}"', f'"{after}"')
    sums = manifest.read(folder).files[f"{CONTENT}/a"]
    file.write_text(text.replace(sums, sums[::-1]))
    with pytest.raises(Damaged):
        manifest.read(folder)


def test_a_path_out_of_the_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with pytest.raises(Damaged):
        manifest.read(backup(tmp_path / "b", "../secret"))
