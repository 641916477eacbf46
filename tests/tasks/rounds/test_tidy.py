"""params.yaml is reduced to the knobs that differ from the defaults; the effective values stay the same."""

from pathlib import Path

import pytest
import yaml

from core.errors import BadParams
from core.settings import read
from tasks.rounds.params import RoundSettings
from tasks.rounds.request import read_request
from tasks.rounds.tidy import HEAD, tidy
from tasks.state.choosing import at
from tasks.state.workspace import Workspace

FULL = yaml.safe_dump(RoundSettings().plain(), sort_keys=False)
"""params.yaml of an earlier release, with every default."""

MIXED = """\
# About this workspace: ours.

# Seeds.
seed: 0

# How it learns.
policy:
  use: ppo
  # We tried 20, too.
  steps: 25
  # Of Adam.
  learning_rate: 0.0005
  kl:
    # A target.
    target: 6
    horizon: 1280
# Nobody votes.
vote: {annotator: null}
sft:
  epochs: 3  # the default
# The end.
"""

SHORT = """\
# About this workspace: ours.

# How it learns.
policy:
  # We tried 20, too.
  steps: 25
  kl:
    # A target.
    target: 6
# Nobody votes.
vote: {annotator: null}
# The end.
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return at(tmp_path / "workspace")


def test_comments_on_remaining_knobs_stay(workspace: Workspace) -> None:
    workspace.params.write_text(MIXED)
    before = read_request(workspace, []).fingerprint
    removed, backup = tidy(workspace)
    assert workspace.params.read_text() == SHORT
    assert removed == ("seed", "policy.use", "policy.learning_rate", "policy.kl.horizon", "sft.epochs")
    assert backup is not None
    assert backup.read_text() == MIXED
    assert read_request(workspace, []).fingerprint == before


def test_a_file_of_defaults_becomes_empty(workspace: Workspace) -> None:
    workspace.params.write_text("# Every knob of a round, with its default. Written by `make docs`\n\n" + FULL)
    tidy(workspace)
    assert workspace.params.read_text() == HEAD


def test_a_file_without_defaults_is_not_changed(workspace: Workspace) -> None:
    workspace.params.write_text(SHORT)
    assert tidy(workspace) == ((), None)
    assert [file.name for file in workspace.root.glob("params*")] == ["params.yaml"]


def test_a_second_copy_does_not_replace_the_first(workspace: Workspace) -> None:
    for text in ("seed: 0\n", "sft: {epochs: 3}\n"):
        workspace.params.write_text(text)
        tidy(workspace)
    assert workspace.params.with_name("params.yaml.bak").read_text() == "seed: 0\n"
    assert workspace.params.with_name("params.yaml.bak2").read_text() == "sft: {epochs: 3}\n"


@pytest.mark.parametrize(
    "text",
    [
        "verdict:\n  gates:\n    win_rate:\n    safety: {margin: 0.05}\n    length:\n      longest: 1.5\n",
        "ingest:\n  sources:\n  # two\n  - use: simulated\n  - use: jsonl\n    path: a.jsonl\n  threshold: 200\n",
        "sft:\n  epochs: 3\nreward:\n\n  # all of them\n  epochs: 2\n  batch: 16\n\n",
        "{seed: 0, sft: {epochs: 4}}\n",
        "policy: {use: ppo, steps: 10}\nseed: 4\n",
        "curate:\n  criterion: >-\n    over\n  split:\n    train: 0.7\n    judge: 0.15\n    holdout: 0.15\n",
    ],
)
def test_a_reduced_file_has_the_same_effective_values(workspace: Workspace, text: str) -> None:
    workspace.params.write_text(text)
    (workspace.root / "a.jsonl").touch()
    before = RoundSettings.model_validate(read(workspace.params))
    removed, _ = tidy(workspace)
    assert RoundSettings.model_validate(read(workspace.params)) == before
    assert (removed == ()) is text.startswith("{")


def test_a_file_with_anchors_is_refused_and_kept(workspace: Workspace) -> None:
    text = "sft:\n  batch: &size 32\nreward:\n  batch: 16\nmodel:\n  vocabulary: 2048\n  width: *size\n"
    workspace.params.write_text(text)
    with pytest.raises(BadParams, match="cannot be reduced"):
        tidy(workspace)
    assert workspace.params.read_text() == text
