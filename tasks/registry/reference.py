"""The reference for drift: the champion, the rounds it was trained on, and its reward model."""

import logging
from pathlib import Path
from typing import NamedTuple

from core.errors import BadModel, NotFound
from core.files import read_json, write_json
from evaluation.evals import CANDIDATE, CHAMPION
from feedback.pairs import pairs_id
from tasks.registry.alias import ModelVersion, Registry
from tasks.state import records
from tasks.state import workspace as workspaces
from tasks.state.workspace import Workspace

_logger = logging.getLogger(__name__)


class Reference(NamedTuple):
    """The champion at the time when a round was opened."""

    trained_on: range
    """The rounds whose feedback it was trained on."""
    sampled_as: str | None
    """`candidate` or `champion`, as the last round's samples label its answers; None if they have none."""
    reward: Path | None
    """Its reward model; None if it has none (the first model of a workspace) or the files are gone."""


def save_reference(workspace: Workspace, registry: Registry, champion: ModelVersion | None, folder: Path) -> None:
    """Store the reference for drift of a new round in `folder`."""
    if champion:
        fetch_reward(registry, champion, workspaces.reward(folder))
        write_json(workspaces.reference(folder), {"round": champion.round, "spoken": _sampled_as(workspace, champion)})


def last_samples(workspace: Workspace) -> Path | None:
    """The folder with the samples of the round that finished last; None if they are gone.

    A discarded round may have overwritten them; the copy made when it was opened is then used.
    """
    last = records.last(workspace)
    for folder in (workspace.samples, workspace.previous / workspace.samples.name):
        pairs = folder / workspace.pairs.name
        if last and pairs.exists() and pairs_id(pairs) == last.batch:
            return folder
    return None


def load_reference(folder: Path) -> Reference | None:
    """The stored reference; None in round 0."""
    if not workspaces.reference(folder).exists():
        return None
    facts = read_json(workspaces.reference(folder))
    reward = workspaces.reward(folder)
    return Reference(range(facts["round"] + 1), facts["spoken"], reward if reward.exists() else None)


def fetch_reward(registry: Registry, champion: ModelVersion, into: Path) -> Path | None:
    """Fetch the reward model that the champion was trained with; None if there is none, or its files are gone."""
    version = registry.trust.reward_version(champion)
    if version is None:
        return None
    try:
        return registry.fetch(registry.version(version, "reward"), into)
    except (BadModel, NotFound) as error:  # not fatal: only the check of the old reward model on new votes is skipped
        _logger.warning("drift of the reward model is not measured: %s", error)
        return None


def _sampled_as(workspace: Workspace, champion: ModelVersion) -> str | None:
    last = records.last(workspace)
    if last is None:
        return None
    if last.version == champion.version:
        return CANDIDATE
    was = last.inputs.champion
    return CHAMPION if was and was.version == champion.version else None
