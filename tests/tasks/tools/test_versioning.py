import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from core.errors import BadWorkspace, Unwritable
from tasks.state.workspace import Workspace
from tasks.tools import remotes
from tasks.tools.versioning import DataGraph, VersioningSettings
from tests.full_disk import full_disk


def test_a_kept_folder_is_named_by_its_hash_and_can_be_kept_again(workspace: Workspace) -> None:
    workspace.previous.mkdir()
    (workspace.previous / "champion.json").write_text("{}")
    data, file = DataGraph(workspace.root), workspace.data / "previous.dvc"
    hashes = []
    for content in ("{}", '{"a": 1}', "{}"):
        (workspace.previous / "champion.json").write_text(content)
        data.keep("data/previous")
        [out] = yaml.safe_load(file.read_text())["outs"]
        hashes.append(out["md5"])
    assert hashes[0] == hashes[2] != hashes[1]
    assert set(hashes) <= set(data.objects())


def test_files_missing_from_the_cache_are_cached_again_and_pushed(workspace: Workspace) -> None:
    remote = workspace.root.parent / "remote"
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(f"['remote \"store\"']\n    url = {remote}\n")
    workspace.previous.mkdir()
    (workspace.previous / "champion.json").write_text("{}")
    data = DataGraph(workspace.root)
    data.keep("data/previous")
    hashes = set(data.objects())
    for md5, file in data.objects().items():
        if not md5.endswith(".dir"):
            file.unlink()
    data.push("store")
    assert {file.parent.name + file.name for file in remote.glob("files/md5/??/*")} == hashes
    shutil.rmtree(data.cache)
    shutil.rmtree(remote)
    DataGraph(workspace.root).push("store")
    assert {file.parent.name + file.name for file in remote.glob("files/md5/??/*")} == hashes


def test_the_remote_is_dvcs_own_default_unless_one_is_named(workspace: Workspace) -> None:
    assert DataGraph(workspace.root).remote_of(None) is None
    config = workspace.root / ".dvc/config"
    urls = "['remote \"mine\"']\n    url = ssh://ana:pass@host:22/data\n['remote \"disk\"']\n    url = /mnt/data\n"
    config.write_text(config.read_text().replace("[core]\n", "[core]\n    remote = mine\n") + urls)
    data = DataGraph(workspace.root)
    assert [data.remote_of(name) for name in (None, "disk", "")] == ["mine", "disk", None]
    assert [data.address(name) for name in ("mine", "disk", "gone")] == ["ssh://ana@host:22/data", "/mnt/data", ""]


@pytest.fixture
def user_wide(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], DataGraph]:
    """The data graph of a workspace, with a user-wide default DVC remote at a URL."""
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "dvc"))

    def configured(url: str) -> DataGraph:
        (tmp_path / "dvc").mkdir()
        (tmp_path / "dvc/config").write_text(f"[core]\n    remote = mine\n['remote \"mine\"']\n    url = {url}\n")
        return DataGraph(workspace.root)

    return configured


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1:9/data", "Cannot connect to host 127.0.0.1:9"),
        ("/proc/none/data", "/proc: "),
        ("/etc/hostname/data", "/etc/hostname: "),
    ],
)
def test_a_remote_that_cannot_be_pushed_to_is_refused_at_opening(
    user_wide: Callable[[str], DataGraph], url: str, problem: str
) -> None:
    data, before = user_wide(url), Path.cwd()
    with pytest.raises(BadWorkspace) as refusal:
        data.check(VersioningSettings())
    message = str(refusal.value)
    assert all(fact in message for fact in ("versioning.remote", "'mine'", url, problem))
    assert Path.cwd() == before
    data.check(VersioningSettings(remote=""))  # the cure


def test_a_remote_that_does_not_answer_in_time_is_refused(
    user_wide: Callable[[str], DataGraph], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remotes, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        data = user_wide(f"http://127.0.0.1:{silent.getsockname()[1]}/data")
        with pytest.raises(BadWorkspace, match="no answer within"):
            data.check(VersioningSettings())


def test_a_folder_that_can_be_created_is_accepted_and_not_created_yet(
    user_wide: Callable[[str], DataGraph], tmp_path: Path
) -> None:
    user_wide(str(tmp_path / "new/remote")).check(VersioningSettings())
    assert not (tmp_path / "new").exists()


def test_a_site_cache_that_cannot_be_written_is_named_with_its_cure(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", "/proc/none")
    with pytest.raises(Unwritable, match="DVC_SITE_CACHE_DIR"):
        DataGraph(workspace.root).check(VersioningSettings())


def test_a_home_that_is_no_folder_is_named_with_the_cure_for_dvcs_settings(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", "/dev/null/none")
    with pytest.raises(Unwritable, match="DVC_GLOBAL_CONFIG_DIR"):
        DataGraph(workspace.root).check(VersioningSettings())
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "dvc"))
    DataGraph(workspace.root).check(VersioningSettings())


@pytest.mark.parametrize("text", ["[core\nremote = x\n", "[nosuch]\nremote = x\n"])
def test_settings_of_the_user_that_dvc_cannot_read_are_named(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings = tmp_path / "dvc" / "config"
    settings.parent.mkdir()
    settings.write_text(text)
    with pytest.raises(BadWorkspace, match=str(settings)):
        DataGraph(workspace.root).remote_of(None)


HALF_WRITTEN = ("runs/4b/4b67/.1FRBE4GyuCwrsRBCASvRfg.tmp", "files/md5/f9/.1aP4AQ3jQzvvgIZfSlhhbA.tmp")


@pytest.mark.parametrize("name", HALF_WRITTEN)
def test_what_dvc_had_not_finished_writing_is_removed(workspace: Workspace, name: str) -> None:
    unfinished = workspace.root / ".dvc/cache" / name
    unfinished.parent.mkdir(parents=True)
    unfinished.touch()
    DataGraph(workspace.root).repair()
    assert not unfinished.exists()


def test_what_a_running_dvc_command_writes_is_left_alone(workspace: Workspace) -> None:
    unfinished = workspace.root / ".dvc/cache" / HALF_WRITTEN[1]
    unfinished.parent.mkdir(parents=True)
    unfinished.touch()
    with DataGraph(workspace.root).exclusive():
        DataGraph(workspace.root).repair()
    assert unfinished.exists()


def test_a_half_written_dvc_file_is_removed(workspace: Workspace) -> None:
    workspace.previous.mkdir()
    (workspace.previous / "champion.json").write_text("{}")
    (workspace.data / "previous.dvc").write_text("outs:\n- path: prev")
    (workspace.data / ".previous.dvc.unfinished").touch()
    data = DataGraph(workspace.root)
    data.repair()
    assert not (workspace.data / "previous.dvc").exists()
    data.keep("data/previous")
    assert (workspace.data / "previous.dvc").exists()
    assert list(workspace.data.glob(".previous*")) == []


def test_an_earlier_versions_previous_dvc_moves_into_data(workspace: Workspace) -> None:
    """DVC rejects two files that name the same folder."""
    workspace.previous.mkdir()
    (workspace.previous / "champion.json").write_text("{}")
    data = DataGraph(workspace.root)
    md5 = data.keep("data/previous")
    file, old = workspace.data / "previous.dvc", workspace.root / "previous.dvc"
    old.write_text(file.read_text().replace("path: previous", "path: data/previous"))
    file.unlink()
    data.repair()
    [out] = yaml.safe_load(file.read_text())["outs"]
    assert (old.exists(), out["md5"], out["path"]) == (False, md5, "previous")
    assert data.keep("data/previous") == md5
    old.write_text("outs:\n- path: da")
    data.repair()
    assert not old.exists()


def test_reading_the_data_graph_leaves_files_in_progress_alone(workspace: Workspace) -> None:
    """`rounds plan` and `rounds gc` read it while a round records a step; only the holder of the lock may repair."""
    writing = [
        workspace.data / ".previous.dvc.unfinished",
        workspace.root / ".dvc.lock.0123abcd.draft",
        workspace.data / "previous.dvc",
    ]
    for path in writing:
        path.write_text("stages: {}")
    assert DataGraph(workspace.root).recorded() == {}
    assert DataGraph(workspace.root).objects() == {}
    assert all(path.exists() for path in writing)


def test_a_full_disk_of_dvcs_databases_is_named_and_the_folder_can_be_kept_afterwards(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc"))
    workspace.previous.mkdir()
    (workspace.previous / "champion.json").write_text("{}")
    data = DataGraph(workspace.root)
    before = data.keep("data/previous")
    (workspace.previous / "champion.json").write_text('{"a": 1}')
    with full_disk(), pytest.raises(Unwritable) as refusal:
        data.keep("data/previous")
    assert str(refusal.value).startswith(
        f"DVC's databases in {tmp_path / 'dvc'} cannot be written: disk I/O error (File too large); raise the limit"
    )
    assert DataGraph(workspace.root).keep("data/previous") != before
