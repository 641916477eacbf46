"""Rebasing: a registered version of the policy, as a whole model, becomes a base model of the workspace."""

from pathlib import Path
from typing import NamedTuple

from models import merging
from tasks.registry.alias import Registry
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.rounds import version_files
from tasks.rounds.continuity import default_name
from tasks.state import bases
from tasks.state.bases import BaseRecord, Merged
from tasks.state.workspace import Workspace


class Rebased(NamedTuple):
    """A base that was made from a version of the policy."""

    version: ModelVersion
    record: BaseRecord
    merged: bool
    """True if the version is an adapter, which was merged into its base; False if it is a whole model."""


def rebase(workspace: Workspace, version: str = CHAMPION, name: str | None = None) -> Rebased:
    """Store a version of the policy as a base. An adapter is merged into its base, in float32; a whole model is copied.

    The next round accepts the base if the version is the champion then; see `tasks.rounds.continuity`.

    Args:
        workspace: the workspace.
        version: number of the version, or `champion`.
        name: what `model.base` calls it; by default `policy-VERSION`.

    Raises:
        NotFound: there is no such version, or no champion.
        BadModel: the version's files differ from those that were registered, or its base is missing.
        BadParams: the name cannot be used.
        RoundBusy: another process stores a base model.
    """
    if name is not None:
        bases.check_name(name)
    registry = Registry(workspace.root)
    chosen = version_files.named(registry, version)
    with version_files.fetched(workspace, registry, chosen) as files:
        base = version_files.base_of(workspace, files)
        merged = Merged(version=chosen.version, digest=registry.trust.known(chosen).digest)
        with bases.drafting(workspace) as draft:
            whole = _merged(base, files, draft / "model") if base else files
            origin = f"version {chosen.version} of {registry.line.model('policy')}"
            record = bases.store(workspace, whole, draft, origin, name or default_name(chosen), merged)
    return Rebased(chosen, record, base is not None)


def _merged(base: Path, adapter: Path, into: Path) -> Path:
    merging.merged(base, adapter).save(into)
    return into
