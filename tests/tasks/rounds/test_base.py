"""`model.base` → a stored base."""

import shutil
from pathlib import Path

import pytest

from core.errors import BadModel
from models.policy import ModelSettings
from tasks.rounds.base import foreseen, located, settled
from tasks.rounds.fetching import fetch
from tasks.state import bases
from tasks.state.inputs import Base
from tasks.state.workspace import Workspace
from tests.tasks.rounds.bases import Hub, saved


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def load(workspace: Workspace, base: str) -> str:
    """What the section `model` loads."""
    return located(workspace, ModelSettings(base=base)).base


def test_a_new_model_keeps_its_name_as_digest(workspace: Workspace) -> None:
    assert settled(workspace, "scratch") == foreseen(workspace, "scratch") == Base(name="scratch", digest="scratch")
    assert (load(workspace, "scratch"), workspace.bases.exists()) == ("scratch", False)


def test_a_fetched_base_is_loaded_by_name_digest_and_prefix(workspace: Workspace, tmp_path: Path) -> None:
    record = fetch(workspace, str(saved(tmp_path / "model")), "mine")
    for text in ("mine", record.digest, record.digest[:8]):
        assert load(workspace, text) == str(workspace.base(record.digest))
        assert settled(workspace, text) == foreseen(workspace, text) == Base(name=text, digest=record.digest)


def test_a_folder_is_stored_when_a_round_opens(workspace: Workspace, tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    assert (load(workspace, str(folder)), foreseen(workspace, str(folder)).name) == (str(folder), str(folder))
    assert not workspace.bases.exists()
    base = settled(workspace, str(folder))
    assert base == foreseen(workspace, str(folder))
    assert workspace.base(base.digest).is_dir()
    moved = settled(workspace, str(shutil.move(folder, tmp_path / "moved")))
    assert (moved.digest, len(bases.every(workspace))) == (base.digest, 1)


def test_a_model_of_the_hub_is_downloaded_once(workspace: Workspace, tmp_path: Path) -> None:
    hub = Hub(saved(tmp_path / "model"))
    assert foreseen(workspace, "owner/model") == Base(name="owner/model", digest="owner/model")
    first = settled(workspace, "owner/model", hub.downloads)
    hub.model, hub.commit = saved(tmp_path / "newer", width=32), 2
    assert settled(workspace, "owner/model", hub.downloads) == first
    assert len(hub.asked) == 1
    newer = fetch(workspace, "owner/model", downloads=hub.downloads)
    assert settled(workspace, "owner/model", hub.downloads).digest == newer.digest != first.digest


@pytest.mark.parametrize("base", ["smollm2", "model.gguf", "0123456789abcdef"])
def test_what_can_only_be_a_fetched_base_is_refused_if_it_is_not(workspace: Workspace, base: str) -> None:
    with pytest.raises(BadModel, match=f"model.base={base}.*rounds base fetch"):
        load(workspace, base)
