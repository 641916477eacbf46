"""`rounds base fetch` and `rounds base list`."""

from pathlib import Path

import pytest

from tasks.registry.bases import BaseVersions
from tasks.rounds import base as rounds_base
from tasks.rounds.params import RoundSettings
from tasks.state import bases
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.tasks.registry.test_bases import register
from tests.tasks.rounds.bases import saved
from tests.workspaces import settle

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return saved(tmp_path / "tiny")


def load(workspace: Workspace, base: str) -> str:
    model = RoundSettings().model.model_copy(update={"base": base})
    return rounds_base.located(workspace, model).base


@cures("cli.base.fetch: -S model.base=…")
def test_it_prints_the_digest_and_what_to_type_next(rounds: Rounds, workspace: Workspace, source: Path) -> None:
    result = rounds("base", "fetch", source, "--name", "mine", "-w", workspace.root)
    assert result.code == 0, result.err
    [record] = bases.every(workspace)
    assert f"Digest: {record.digest}" in result.out.splitlines()
    assert result.out.splitlines()[-1] == f"Next: rounds round -w {workspace.root} -S model.base=mine"
    planned = rounds("plan", "-w", workspace.root, "-S", "model.base=mine")
    assert planned.code == 0, planned
    listed = rounds("base", "list", "-w", workspace.root).out
    assert (record.digest[:12] in listed, "mine" in listed) == (True, True)


def test_gc_lists_and_removes_a_base_that_nothing_names(rounds: Rounds, continued: Workspace, source: Path) -> None:
    rounds("base", "fetch", source, "-w", continued.root)
    [record] = bases.every(continued)
    assert record.digest in rounds("gc", "-w", continued.root).out
    assert workspace_has(continued, record.digest)
    assert rounds("gc", "--yes", "-w", continued.root).code == 0
    assert not workspace_has(continued, record.digest)


def workspace_has(workspace: Workspace, digest: str) -> bool:
    return workspace.base(digest).is_dir()


@cures(
    "cli.base.list_: rounds base fetch SOURCE",
    "tasks.state.bases.folder: rounds base fetch SOURCE",
    "tasks.rounds.base._refuse_unfetched: rounds base fetch SOURCE",
    "tasks.rounds.base._refuse_unfetched: rounds base list",
)
def test_a_base_that_is_missing_is_fetched(rounds: Rounds, workspace: Workspace, source: Path) -> None:
    listed = rounds("base", "list", "-w", workspace.root)
    cure = words(" ".join(listed.out.split()), "rounds base fetch", SOURCE=str(source))
    assert rounds(*cure[1:], "-w", workspace.root).code == 0
    [record] = bases.every(workspace)
    bases.remove(workspace, record.digest)
    settle(workspace, f"model.base={record.digest}")
    failed = rounds("plan", "-w", workspace.root)
    assert failed.code == 2
    message = " ".join(failed.err.split())
    assert rounds(*words(message, "rounds base list")[1:], "-w", workspace.root).code == 0
    assert rounds(*words(message, "rounds base fetch", SOURCE=str(source))[1:], "-w", workspace.root).code == 0
    assert load(workspace, record.digest) == str(workspace.base(record.digest))
    (workspace.base(record.digest) / "config.json").unlink()
    failed = rounds("plan", "-w", workspace.root)
    assert failed.code == 2
    cure = words(" ".join(failed.err.split()), "rounds base fetch", SOURCE=str(source))
    assert rounds(*cure[1:], "-w", workspace.root).code == 0
    assert load(workspace, record.digest) == str(workspace.base(record.digest))


@cures("tasks.rounds.base._refuse_unfetched: rounds base fetch …")
def test_a_gguf_file_is_named_with_the_command_that_fetches_it(rounds: Rounds, workspace: Workspace) -> None:
    settle(workspace, "model.base=no-such-model.gguf")
    failed = rounds("plan", "-w", workspace.root)
    cure = words(" ".join(failed.err.split()), "rounds base fetch")
    assert (failed.code, cure[3]) == (2, "no-such-model.gguf")
    assert "no-such-model.gguf is not a file" in " ".join(rounds(*cure[1:]).err.split())


@cures(
    "tasks.registry.bases.BaseVersions.fetch_base: rounds base fetch SOURCE",
    "tasks.registry.bases.BaseVersions._store_download: rounds base fetch SOURCE",
)
def test_a_registered_base_whose_files_are_damaged(rounds: Rounds, workspace: Workspace, source: Path) -> None:
    rounds("base", "fetch", source, "-w", workspace.root)
    [record] = bases.every(workspace)
    store = register(workspace, record)
    [file] = workspace.artifacts.rglob("config.json")
    file.chmod(0o600)
    file.write_text("{}")
    bases.remove(workspace, record.digest)
    settle(workspace, f"model.base={record.digest}")
    failed = rounds("plan", "-w", workspace.root)
    assert failed.code == 2
    cure = words(" ".join(failed.err.split()), "rounds base fetch", SOURCE=str(source))
    assert rounds(*cure[1:], "-w", workspace.root).code == 0
    store.store.delete_model_version("base", "1")
    assert BaseVersions(workspace.root).fetch_base(record.digest, workspace) == workspace.base(record.digest)
