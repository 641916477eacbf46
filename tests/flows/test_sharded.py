"""Rounds whose training steps divide the weights among two processes."""

from pathlib import Path

import pytest

from core.files import read_json
from flows.round import rlhf_round
from tasks.history.replay import replay
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.profile import PROMOTE, TINY
from tests.workspaces import Furnish

pytestmark = pytest.mark.rounds

SHARDED = [f"{step}.launch.{what}" for step in ("sft", "reward", "policy") for what in ("processes=2", "shard=true")]


@pytest.fixture(scope="module")
def sharded(furnish: Furnish, prefect: None, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Rounds 0 and 1. To be read."""
    workspace = furnish(tmp_path_factory.mktemp("sharded") / "workspace")
    rlhf_round([*TINY, PROMOTE, *SHARDED], str(workspace.root))
    return workspace


def test_its_candidate_is_promoted(sharded: Workspace) -> None:
    assert (records.read(sharded, 1).verdict.result, Registry(sharded.root).alias()) == ("promote", "2")
    config = read_json(sharded.checkpoint("policy") / "config.json")
    assert config["architectures"] == ["LlamaForCausalLM"]


def test_replayed_it_has_the_same_weights(sharded: Workspace, tmp_path: Path) -> None:
    assert replay(sharded, "1", tmp_path / "replayed", None, judge=False).differing == []
