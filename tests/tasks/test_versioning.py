import yaml

from tasks.versioning import Data
from tasks.workspace import Workspace


def test_a_kept_folder_is_named_by_its_hash_and_can_be_kept_again(workspace: Workspace) -> None:
    workspace.previous.mkdir()
    (workspace.previous / "champion.json").write_text("{}")
    data, file = Data(workspace.root), workspace.root / "previous.dvc"
    hashes = []
    for content in ("{}", '{"a": 1}', "{}"):
        (workspace.previous / "champion.json").write_text(content)
        data.keep("data/previous")
        [out] = yaml.safe_load(file.read_text())["outs"]
        hashes.append(out["md5"])
    assert hashes[0] == hashes[2] != hashes[1]
    assert set(hashes) <= set(data.objects())


def test_a_kill_while_a_folder_is_kept_leaves_nothing_in_the_way(workspace: Workspace) -> None:
    workspace.previous.mkdir()
    (workspace.previous / "champion.json").write_text("{}")
    (workspace.root / "previous.dvc").write_text("outs:\n- path: data/prev")
    (workspace.data / ".previous.dvc.unfinished").touch()
    data = Data(workspace.root)
    assert not (workspace.root / "previous.dvc").exists()
    data.keep("data/previous")
    assert (workspace.root / "previous.dvc").exists()
    assert list(workspace.data.glob(".previous*")) == []
