"""Stored base models that no registered version and not the workspace needs."""

from models import adapters
from tasks.registry.bases import DIGEST_TAG
from tasks.registry.versions import VersionStore
from tasks.rounds import opening
from tasks.state import bases, records
from tasks.state import round as rounds
from tasks.state.bases import BaseRecord
from tasks.state.workspace import Workspace


def unneeded(workspace: Workspace) -> list[BaseRecord]:
    """The stored bases that neither a registered version of `policy` or `reward`, nor the last round, nor params.yaml
    names. Registered versions of `base` are never removed.

    Raises:
        BadParams: params.yaml is invalid, so that what it needs is unknown.
    """
    needed = _registered(workspace) | _present(workspace)
    return [record for record in bases.every(workspace) if record.digest not in needed]


def _registered(workspace: Workspace) -> set[str]:
    store = VersionStore(workspace.root)
    versions = [*store.versions("policy"), *store.versions("reward")]
    return {version.tags[DIGEST_TAG] for version in versions if DIGEST_TAG in version.tags}


def _present(workspace: Workspace) -> set[str]:
    """What the last round, open or finished, was opened with, its champion's, and what the next one would be."""
    next_base = bases.find(workspace, opening.effective(workspace, ()).model.base)
    last = rounds.inputs(workspace).base.digest if workspace.round.exists() else None
    recorded = records.last(workspace)
    champion = adapters.read(workspace.champion).base if adapters.is_adapter(workspace.champion) else None
    found = (next_base and next_base.digest, last, recorded and recorded.inputs.base.digest, champion)
    return {digest for digest in found if digest}
