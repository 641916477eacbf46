"""What drift is measured against: the champion, what it learned from, and the reward model it was trained with."""

import logging
from pathlib import Path
from typing import NamedTuple

from core.errors import BadModel
from core.files import read_json, write_json
from evaluation.evals import CANDIDATE, CHAMPION
from feedback.pairs import batch_id
from tasks.registry.alias import ModelVersion, Registry
from tasks.state import records
from tasks.state import workspace as workspaces
from tasks.state.workspace import Workspace

_logger = logging.getLogger(__name__)


class Reference(NamedTuple):
    """The champion at the time a round was opened."""

    learned: range
    """The rounds whose feedback it learned from."""
    spoken: str | None
    """Under which name the last round's samples hold the champion's answers; None where they do not."""
    reward: Path | None
    """Its reward model; None for the first model of a workspace, which has none."""


def keep(workspace: Workspace, registry: Registry, champion: ModelVersion | None, folder: Path) -> None:
    """Set aside in `folder` what a round will measure drift against."""
    if champion:
        fetch_reward(registry, champion, workspaces.reward(folder))
        write_json(workspaces.reference(folder), {"round": champion.round, "spoken": _spoken(workspace, champion)})


def samples(workspace: Workspace) -> Path | None:
    """The samples of the round that finished last; None where they are gone.

    A round that was dropped has perhaps written over them; what was set aside when it was opened is still there.
    """
    last = records.last(workspace)
    for folder in (workspace.samples, workspace.previous / workspace.samples.name):
        pairs = folder / workspace.pairs.name
        if last and pairs.exists() and batch_id(pairs) == last.batch:
            return folder
    return None


def kept(folder: Path) -> Reference | None:
    """What was set aside; None in round 0."""
    if not (workspaces.reference(folder)).exists():
        return None
    facts = read_json(workspaces.reference(folder))
    reward = workspaces.reward(folder)
    return Reference(range(facts["round"] + 1), facts["spoken"], reward if reward.exists() else None)


def fetch_reward(registry: Registry, champion: ModelVersion, into: Path) -> Path | None:
    """The reward model that the champion was trained against; None where there is none, or its files are gone."""
    version = champion.tags.get("reward_version")
    if version is None:
        return None
    try:
        return registry.fetch(registry.version(version, "reward"), into)
    except BadModel as gone:  # a round can do without: only its new votes are then not held against the old model
        _logger.warning("drift of the reward model is not measured: %s", gone)
        return None


def _spoken(workspace: Workspace, champion: ModelVersion) -> str | None:
    last = records.last(workspace)
    if last is None:
        return None
    if last.version == champion.version:
        return CANDIDATE
    was = last.inputs.champion
    return CHAMPION if was and was.version == champion.version else None
