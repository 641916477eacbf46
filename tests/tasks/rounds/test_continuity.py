"""A round that does not continue the champion is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import BadModel, BadParams
from models.adapters import AdapterSettings
from models.policy import ModelSettings
from tasks.registry.bases import ADAPTER_TAG, DIGEST_TAG
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.rounds import continuity
from tasks.rounds.continuity import Made
from tasks.rounds.fetching import fetch
from tasks.state import bases
from tasks.state.bases import BaseRecord, Merged
from tasks.state.inputs import Base
from tasks.state.workspace import Workspace
from tests.tasks.rounds.bases import saved

ALL = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
OTHER = "0" * 64


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def record(workspace: Workspace, tmp_path: Path) -> BaseRecord:
    return fetch(workspace, str(saved(tmp_path / "model")), "mine")


def champion(digest: str = "d") -> ModelVersion:
    return ModelVersion("policy", "3", 2, "run", digest, {}, datetime.now(UTC))


def check(workspace: Workspace, record: BaseRecord, made: Made, adapter: AdapterSettings | None) -> None:
    model, base = ModelSettings(base="mine", adapter=adapter), Base(name="mine", digest=record.digest)
    continuity.check(workspace, model, base, champion(), made)


def made(base: str, **changes: object) -> Made:
    return Made(base, {"rank": 2, "alpha": 16.0, "targets": ALL, **changes})


def test_the_same_base_and_adapter_go_on(workspace: Workspace, record: BaseRecord) -> None:
    check(workspace, record, made(record.digest), AdapterSettings(rank=2))
    check(workspace, record, made(record.digest), AdapterSettings(rank=2, targets=tuple(ALL)))
    check(workspace, record, Made(record.digest, None), None)
    check(workspace, record, Made(None, None), None)  # of an older release, or a new model


@pytest.mark.parametrize(
    ("before", "adapter", "knob", "values"),
    [
        ({}, AdapterSettings(rank=4), "model.adapter.rank", ("4", "2")),
        ({}, AdapterSettings(rank=2, alpha=8), "model.adapter.alpha", ("8.0", "16.0")),
        ({}, AdapterSettings(rank=2, targets=("q_proj",)), "model.adapter.targets", ("[q_proj]", "[down_proj, ")),
        ({}, None, "model.adapter", ("null", "{rank: 2, ")),
        ({"base": OTHER}, AdapterSettings(rank=2), "model.base", ("mine (", OTHER[:12])),
    ],
)
def test_a_difference_is_refused_with_both_values(
    workspace: Workspace,
    record: BaseRecord,
    before: dict[str, str],
    adapter: AdapterSettings | None,
    knob: str,
    values: tuple[str, str],
) -> None:
    with pytest.raises(BadParams) as refused:
        check(workspace, record, made(before.get("base", record.digest)), adapter)
    message = str(refused.value)
    assert message.startswith(f"{knob} is {values[0]}")
    assert f"Set {knob}={values[1]}" in message


def test_a_whole_model_is_refused_on_another_base_and_with_an_adapter(workspace: Workspace, record: BaseRecord) -> None:
    with pytest.raises(BadParams, match=r"model\.base is mine"):
        check(workspace, record, Made(OTHER, None), None)
    with pytest.raises(BadParams, match=r"Set model\.adapter=null"):
        check(workspace, record, Made(None, None), AdapterSettings(rank=2))


def test_a_base_that_was_made_from_this_champion_goes_on(workspace: Workspace, tmp_path: Path) -> None:
    with bases.drafting(workspace) as draft:
        merged = Merged(version="3", digest="d")
        record = bases.store(workspace, saved(tmp_path / "model"), draft, "version 3", "mine", merged)
    check(workspace, record, made(OTHER), AdapterSettings(rank=4))
    check(workspace, record, made(OTHER), None)
    base = Base(name="mine", digest=record.digest)
    with pytest.raises(BadParams):
        continuity.check(workspace, ModelSettings(base="mine"), base, champion("another"), made(OTHER))
    fetch(workspace, str(tmp_path / "model"), "again")  # the record keeps what it was made from
    check(workspace, record, made(OTHER), None)


def test_the_tags_of_a_version_tell_how_it_was_made(workspace: Workspace) -> None:
    shape, store = made(OTHER), VersionStore(workspace.root)
    tags = {DIGEST_TAG: OTHER, ADAPTER_TAG: '{"rank": 2, "alpha": 16.0, "targets": ' + str(ALL).replace("'", '"') + "}"}
    assert continuity.of_tags(tags) == shape
    assert continuity.of_version(store, champion()._replace(tags=tags)) == shape
    for edited in ("", "[]", "7", '{"rank": 2}'):
        assert continuity.of_tags({ADAPTER_TAG: edited}) is None


class Files(VersionStore):
    """A registry that has one file of every version, or none."""

    def __init__(self, root: Path, content: bytes | None) -> None:
        super().__init__(root)
        self._content = content

    def file(self, version: ModelVersion, name: str) -> bytes | None:
        """The content, if `adapter.json` is asked for."""
        return self._content if name == "adapter.json" else None


def test_an_adapter_from_before_the_tag_is_known_by_its_file(workspace: Workspace) -> None:
    version = champion()._replace(tags={DIGEST_TAG: OTHER})
    content = json.dumps({"form": 1, "rank": 2, "alpha": 16.0, "targets": ALL, "base": OTHER}).encode()
    assert continuity.of_version(Files(workspace.root, content), version) == made(OTHER)
    assert continuity.of_version(Files(workspace.root, None), version) == Made(OTHER, None)
    for damaged in (b"{", b"{}", b"7"):
        with pytest.raises(BadModel, match=r"adapter\.json of policy version 3"):
            continuity.of_version(Files(workspace.root, damaged), version)


def test_what_the_champion_means_for_the_memory_of_a_round(workspace: Workspace, tmp_path: Path) -> None:
    with bases.drafting(workspace) as draft:
        bases.store(
            workspace, saved(tmp_path / "model"), draft, "version 3", "policy-3", Merged(version="3", digest="d")
        )
    whole = continuity.continued(workspace, "policy-3", champion(), Made(OTHER, None))
    assert (whole.adapter, whole.rebased, whole.accepts_adapters) == (None, True, True)
    assert not continuity.continued(workspace, "policy-3", champion("another"), Made(OTHER, None)).rebased
    other = continuity.continued(workspace, str(tmp_path / "model"), champion(), Made(OTHER, None))
    assert (other.as_base, other.rebased, other.accepts_adapters) == ("policy-3", False, False)
    adapted = continuity.continued(workspace, "mine", champion(), made(OTHER))
    assert adapted.adapter == AdapterSettings(rank=2, targets=tuple(ALL))
    assert adapted.accepts_adapters
