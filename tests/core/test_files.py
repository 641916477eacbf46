import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import Damaged
from core.files import digest, read_json, recover, recover_all, replacing, write_json, write_text


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    write_json(target, {"round": 1})
    with pytest.raises(ValueError, match="Out of range"):
        write_json(target, {"round": float("nan")})
    assert target.read_text() == '{\n  "round": 1\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    for name in ("old", "new"):
        with replacing(target) as draft:
            draft.mkdir()
            (draft / name).touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


@pytest.mark.parametrize("moment", ["writing", "between the renames"])
def test_after_a_kill_while_replacing_the_old_folder_is_recovered(tmp_path: Path, moment: str) -> None:
    target = tmp_path / "weights"
    target.mkdir()
    (target / "old").touch()
    kill = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    script = (
        "from pathlib import Path; import core.files as files\n"
        f"target = Path({str(target)!r})\n"
        "with files.replacing(target) as draft:\n"
        "    draft.mkdir(); (draft / 'new').touch()\n"
        + (f"    {kill}\n" if moment == "writing" else f"    target.rename(files._old(target)); {kill}\n")
    )
    process = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False
    )
    assert process.returncode == -signal.SIGKILL
    recover(target)
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A file size limit stands in for a full disk: the write fails part-way in the same manner."""
    script = (
        "import resource, signal; from pathlib import Path; from core.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        f"write_text(Path({str(tmp_path / 'audit')!r}), 'x' * 1000)\n"
    )
    write_text(tmp_path / "audit", "old")
    process = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large" in process.stderr
    assert (tmp_path / "audit").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["audit"]


def test_a_digest_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    for folder, order in (("a", "xy"), ("b", "yx")):
        (tmp_path / folder).mkdir()
        for name in order:
            (tmp_path / folder / name).write_text(name)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    (tmp_path / "b" / "x").rename(tmp_path / "b" / "z")
    assert digest(tmp_path / "a") != digest(tmp_path / "b")


def test_recover_all_cleans_up_after_kills_anywhere_below_a_folder(tmp_path: Path) -> None:
    inner = tmp_path / "checkpoints"
    (inner / ".policy.old").mkdir(parents=True)  # killed between the two renames
    (inner / ".policy.old" / "weights").touch()
    (inner / ".policy.abc_1234.draft").mkdir()
    (tmp_path / ".state.json.xyz01234.draft").mkdir()
    (tmp_path / ".lock").touch()
    (tmp_path / ".old").touch()
    recover_all(tmp_path)
    remaining = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert remaining == [".lock", ".old", "checkpoints", "checkpoints/policy", "checkpoints/policy/weights"]


def test_the_error_about_a_damaged_file_names_it(tmp_path: Path) -> None:
    write_json(tmp_path / "state.json", {"round": 1})
    (tmp_path / "state.json").write_text((tmp_path / "state.json").read_text()[:8])
    with pytest.raises(Damaged, match=r"state\.json"):
        read_json(tmp_path / "state.json")
