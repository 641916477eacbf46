"""Base models in the registry: registered once, fetched by digest, never trusted by tag."""

import shutil
from pathlib import Path

import pytest
import torch

from core.errors import BadModel
from models.adapters import AdapterSettings
from models.policy import Policy
from models.tokens import pad
from tasks.history.unneeded_bases import unneeded
from tasks.registry.alias import Registry
from tasks.registry.bases import DIGEST_TAG, BaseVersions
from tasks.rounds.base import located
from tasks.rounds.fetching import fetch
from tasks.rounds.params import RoundSettings
from tasks.state import bases, loading
from tasks.state.bases import BaseRecord
from tasks.state.workspace import Workspace
from tasks.tools.tracking import RoundRun
from tests.tasks.rounds.bases import saved
from tests.workspaces import settle

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture
def record(workspace: Workspace, tmp_path: Path) -> BaseRecord:
    """A stored base called `mine`."""
    return fetch(workspace, str(saved(tmp_path / "model")), "mine")


def tags(number: int) -> dict[str, str]:
    return {"round": str(number), "round_key": f"key{number}", "line": "policy"}


def register(workspace: Workspace, record: BaseRecord, number: int = 0) -> BaseVersions:
    store = BaseVersions(workspace.root)
    run = RoundRun.open(store.root, store.line, f"round {number}", tags(number))
    store.keep(record, run.run_id, tags(number))
    return store


def elsewhere(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Another machine's workspace with the same registry, without a base model."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace.database}")
    other = Workspace(tmp_path / "other")
    other.data.mkdir(parents=True)
    return other


def test_a_base_is_registered_once_for_all_rounds(workspace: Workspace, record: BaseRecord) -> None:
    for number in range(3):
        store = register(workspace, record, number)
    [version] = store.versions("base")
    assert (version.version, version.digest, version.round) == ("1", record.digest, 0)
    assert store.versions("policy") == []


def test_a_machine_without_the_base_fetches_it_by_digest(
    workspace: Workspace, record: BaseRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(workspace, record)
    other = elsewhere(workspace, tmp_path, monkeypatch)
    folder = BaseVersions(workspace.root).fetch_base(record.digest, other)
    assert bases.digest(bases.measured(folder)) == record.digest
    fetched = bases.find(other, "mine")
    assert fetched is not None
    assert fetched.files == record.files


def test_a_base_that_is_only_registered_is_fetched_by_its_name(workspace: Workspace, record: BaseRecord) -> None:
    register(workspace, record)
    bases.remove(workspace, record.digest)
    for text in ("mine", record.digest[:8]):
        model = RoundSettings().model.model_copy(update={"base": text})
        assert located(workspace, model).base == str(workspace.base(record.digest))
        bases.remove(workspace, record.digest)


def test_files_that_were_changed_in_the_artifact_store_are_refused(
    workspace: Workspace, record: BaseRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(workspace, record)
    [file] = workspace.artifacts.rglob("config.json")
    file.chmod(0o600)
    file.write_text(file.read_text() + " ")
    other = elsewhere(workspace, tmp_path, monkeypatch)
    with pytest.raises(BadModel, match=f"expected {record.digest[:12]}"):
        BaseVersions(workspace.root).fetch_base(record.digest, other)
    assert bases.every(other) == []


def test_a_base_that_is_nowhere_is_named_with_the_cure(workspace: Workspace) -> None:
    with pytest.raises(BadModel, match=rf"{'0' * 64} is neither in .* nor registered.*`rounds base fetch SOURCE`"):
        BaseVersions(workspace.root).fetch_base("0" * 64, workspace)


def test_gc_keeps_a_base_while_a_version_or_params_name_it(
    workspace: Workspace, record: BaseRecord, tmp_path: Path
) -> None:
    assert [base.digest for base in unneeded(workspace)] == [record.digest]
    settle(workspace, f"model.base={record.digest[:8]}")
    assert unneeded(workspace) == []
    settle(workspace, "model.base=scratch")
    registry = Registry(workspace.root)
    run = RoundRun.open(registry.root, registry.line, "round 0", tags(0))
    policy = Path(shutil.copytree(tmp_path / "model", workspace.checkpoint("sft")))
    registry.register("policy", policy, run.run_id, {**tags(0), DIGEST_TAG: record.digest}, {})
    assert unneeded(workspace) == []
    registry.store.delete_model_version("policy", "1")
    assert [base.digest for base in unneeded(workspace)] == [record.digest]


def adapter(workspace: Workspace, base: BaseRecord, number: int) -> Policy:
    """An adapter with random weights, saved as the policy of a round."""
    policy = loading.outside(workspace).new_adapter(base.digest, AdapterSettings(rank=2), "policy", number)
    shuffle = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for tensor in policy.network.state_dict().values():
            tensor.copy_(torch.randn(tensor.shape, generator=shuffle))
    policy.save(workspace.checkpoint("policy"))
    return policy


def test_a_rollback_to_an_earlier_adapter_serves_what_that_adapter_computes(
    workspace: Workspace, record: BaseRecord, tmp_path: Path
) -> None:
    registry, computed = Registry(workspace.root), []
    texts = pad([[3, 9, 4]], [[9, 8, 1]], 0)
    for number in (1, 2):
        register(workspace, record, number)
        run = RoundRun.open(registry.root, registry.line, f"round {number}", tags(number))
        computed.append(adapter(workspace, record, number).logprobs(texts))
        made = {**tags(number), DIGEST_TAG: record.digest}
        registry.register("policy", workspace.checkpoint("policy"), run.run_id, made, {})
        registry.promote(str(number), str(number - 1) if number > 1 else None, "better", "rounds")
    assert (computed[0] - computed[1]).abs().max() > 0.1
    for now, expected in (("2", computed[1]), ("1", computed[0])):
        champion = registry.champion()
        assert champion is not None
        assert (champion.version, champion.tags[DIGEST_TAG]) == (now, record.digest)
        folder = registry.fetch(champion, tmp_path / f"version-{now}")
        assert {file.name for file in folder.iterdir()} >= {"adapter.json", "adapter.safetensors"}
        assert not (folder / "model.safetensors").exists()
        assert torch.equal(loading.outside(workspace).policy(folder).logprobs(texts), expected)
        if now == "2":
            registry.rollback(None, "rude", "ana")
    [base] = BaseVersions(workspace.root).versions("base")
    assert base.digest == record.digest
