"""Base models stored by content: equal wherever, whenever and in whatever order their files were written."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import BadModel, BadParams, Damaged
from core.files import leftovers
from models.policy import ModelSettings, build
from tasks.state import bases
from tasks.state.bases import BaseRecord
from tasks.state.workspace import PROJECT, Workspace
from tests.models.conftest import TEXTS

SHAPE = ModelSettings(width=16, layers=1, heads=2, feed_forward=32, vocabulary=300)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model of one layer."""
    folder = tmp_path_factory.mktemp("models") / "base"
    build(SHAPE, TEXTS).save(folder)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def store(workspace: Workspace, source: Path, name: str | None = None) -> BaseRecord:
    with bases.drafting(workspace) as draft:
        return bases.store(workspace, source, draft, str(source), name)


def digest(folder: Path) -> str:
    return bases.digest(bases.measured(folder))


def changed(folder: Path, file: str, copy: Path) -> Path:
    """A copy of a base in which the last byte of a file is another."""
    shutil.copytree(folder, copy)
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return copy


def test_the_digest_does_not_depend_on_folder_order_or_times(valid: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    copy.mkdir(parents=True)
    for file in sorted(valid.iterdir(), reverse=True):
        shutil.copyfile(file, copy / file.name)
        os.utime(copy / file.name, (1, 1))
    (copy / "README.md").write_text("files that are not loaded do not count")
    assert digest(copy) == digest(valid)


def test_the_digest_is_the_sha256_of_sorted_names_and_sha256() -> None:
    files = {name: bases.BaseFile(sha256=name * 64, bytes=1) for name in ("b", "a")}
    # printf 'a %s\nb %s\n' aaa… bbb… | sha256sum
    assert bases.digest(files) == "e936c9d21e6e60a1b90d1489ca2f1094b26da369e03b8645118fb1d53e7df590"


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_digest_does_not_depend_on_the_hash_seed(valid: Path, seed: str) -> None:
    code = "import sys; from pathlib import Path; from tasks.state import bases as b; "
    code += "print(b.digest(b.measured(Path(sys.argv[1]))))"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", code, str(valid)], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == digest(valid), done.stderr


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors", "generation_config.json"])
def test_a_changed_byte_is_another_base(valid: Path, tmp_path: Path, file: str) -> None:
    assert digest(changed(valid, file, tmp_path / "copy")) != digest(valid)


def test_shards_are_the_files_that_the_index_names(valid: Path, tmp_path: Path) -> None:
    policy = build(SHAPE, TEXTS)
    policy.model.save_pretrained(tmp_path / "sharded", max_shard_size="10KB")
    shutil.copyfile(tmp_path / "sharded" / "config.json", tmp_path / "sharded" / "other.safetensors")
    found = bases.names(tmp_path / "sharded")
    assert bases.INDEX in found
    assert len([name for name in found if name.endswith(".safetensors")]) > 1
    assert "other.safetensors" not in found


def test_a_stored_base_is_complete_and_read_only(workspace: Workspace, valid: Path) -> None:
    record = store(workspace, valid, "mine")
    folder = bases.folder(workspace, record.digest)
    assert (folder, record.digest) == (workspace.base(record.digest), digest(valid))
    assert {file.name for file in folder.iterdir()} == set(record.files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o400}
    assert leftovers(workspace.bases) == []
    shutil.rmtree(folder)
    assert bases.every(workspace) == []


def test_storing_a_base_again_gives_it_another_name(workspace: Workspace, valid: Path, tmp_path: Path) -> None:
    first = store(workspace, valid, "mine")
    again = store(workspace, Path(shutil.copytree(valid, tmp_path / "copy")), "yours")
    assert (again.digest, again.names) == (first.digest, ("yours", "mine"))
    assert len(bases.every(workspace)) == 1


def test_a_name_belongs_to_the_base_that_got_it_last(workspace: Workspace, valid: Path, tmp_path: Path) -> None:
    old = store(workspace, valid, "mine")
    new = store(workspace, changed(valid, "config.json", tmp_path / "copy"), "mine")
    found = bases.find(workspace, "mine")
    assert found is not None
    assert (found.digest, {record.digest: record.names for record in bases.every(workspace)}) == (
        new.digest,
        {old.digest: (), new.digest: ("mine",)},
    )


def test_a_base_is_found_by_name_digest_and_prefix(workspace: Workspace, valid: Path) -> None:
    record = store(workspace, valid, "owner/name@main")
    for text in ("owner/name@main", record.digest, record.digest[:8]):
        assert bases.find(workspace, text) == record
    for text in ("owner/name", record.digest[:7], "0" * 8):
        assert bases.find(workspace, text) is None


def test_an_ambiguous_prefix_is_refused(workspace: Workspace, valid: Path) -> None:
    record = store(workspace, valid)
    other = record.digest[:8] + "0" * 56
    record.model_copy(update={"digest": other}).save(workspace.base_record(other))
    workspace.base(other).mkdir()
    with pytest.raises(BadModel, match=rf"{other}.*|{record.digest}.*"):
        bases.find(workspace, record.digest[:8])
    assert bases.find(workspace, record.digest) == record


@pytest.mark.parametrize("name", ["scratch", "0123abcd", "../up", "a b", "", "/root", "a/b/c"])
def test_names_that_would_mean_something_else_are_refused(name: str) -> None:
    with pytest.raises(BadParams):
        bases.check_name(name)


def test_a_file_that_was_cut_is_noticed_and_fetched_again(workspace: Workspace, valid: Path) -> None:
    record = store(workspace, valid)
    weights = workspace.base(record.digest) / "model.safetensors"
    weights.chmod(0o600)
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(Damaged, match=r"model\.safetensors"):
        bases.folder(workspace, record.digest)
    store(workspace, valid)
    assert digest(bases.folder(workspace, record.digest)) == record.digest


def test_a_base_that_is_not_stored_is_refused(workspace: Workspace) -> None:
    with pytest.raises(BadModel, match="0" * 64):
        bases.folder(workspace, "0" * 64)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"neither model\.safetensors nor"):
        bases.names(tmp_path)


def test_a_killed_fetch_leaves_nothing_that_could_be_loaded(workspace: Workspace, valid: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from tasks.state import bases as b\n"
        "from tasks.state.workspace import Workspace; w = Workspace(Path(sys.argv[1]))\n"
        "with b.drafting(w) as draft:\n"
        "    (draft / 'half').write_bytes(b'x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", code, str(workspace.root)], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert (bases.every(workspace), len(leftovers(workspace.bases))) == ([], 1)
    record = store(workspace, valid)
    assert ([stored.digest for stored in bases.every(workspace)], leftovers(workspace.bases)) == ([record.digest], [])


def test_a_removed_base_is_gone(workspace: Workspace, valid: Path) -> None:
    record = store(workspace, valid)
    bases.remove(workspace, record.digest)
    assert (bases.every(workspace), workspace.base(record.digest).exists()) == ([], False)
