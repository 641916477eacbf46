from pathlib import Path

import pytest

from core.errors import BadModel
from core.files import digest
from tasks.rounds.fetching import fetch
from tasks.state import model
from tasks.state.inputs import Base
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tests.tasks.rounds.bases import LIMITS, saved


def opened(workspace: Workspace, base: Base | None) -> Round:
    values = {"model": {"base": base.name if base else "scratch", **LIMITS}}
    return Round(workspace, 1, None, seed=0, salt="", champion=None, inbox=(), values=values, base=base)


def test_steps_load_the_stored_files(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    record = fetch(workspace, str(saved(tmp_path / "model")), "mine")
    settings = model.settings(opened(workspace, Base(name="mine", digest=record.digest)))
    assert (settings.base, settings.max_prompt_tokens) == (str(workspace.base(record.digest)), 16)


@pytest.mark.parametrize("base", [None, Base(name="scratch", digest="scratch"), Base(name="a/b", digest="a/b")])
def test_a_new_model_and_a_model_of_the_hub_in_an_old_round_have_no_folder(tmp_path: Path, base: Base | None) -> None:
    round = opened(Workspace(tmp_path), base)
    assert (model.base_folder(round), model.settings(round).base) == (None, base.name if base else "scratch")


def test_a_folder_in_an_old_round_is_loaded_where_it_is(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    round = opened(Workspace(tmp_path / "workspace"), Base(name=str(folder), digest=digest(folder)))
    assert model.settings(round).base == str(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(BadModel):
        model.settings(round)
