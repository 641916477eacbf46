"""Rounds that continue an imported model: it is their SFT model, and with it the reference of the KL divergence."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import BadModel
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.rounds.continuity import Made
from tasks.state import imports, records
from tasks.state.inputs import Base
from tasks.state.workspace import Workspace

TAG = "imported"
"""Tag of a version whose rounds continue an imported model: the digest of that model."""

_DIGEST = re.compile("[0-9a-f]{64}")


def tags(base: Base | None) -> dict[str, str]:
    """The tag of a version of a round with this base; none without an import."""
    return {TAG: base.imported} if base and base.imported else {}


def reason(base: Base | None) -> str | None:
    """The reason for the audit log why an imported model became champion; None without an import."""
    if base is None or base.imported is None:
        return None
    return f"imported: {'an adapter' if imports.needed(base) else 'a model'} with the digest {base.imported}"


def continued(workspace: Workspace, base: Base, champion: ModelVersion, made: Made) -> Base:
    """The base of a round that continues the champion, with the import that the champion's round had.

    Without one if the round has another base, as after `rounds rebase`: its SFT model begins anew.
    """
    if made.base != base.digest:
        return base
    return base.model_copy(update={"imported": _of(workspace, champion)})


def provide(workspace: Workspace, store: VersionStore, base: Base) -> None:
    """Fetch the imported adapter of a round from the registry, unless the workspace has it.

    Raises:
        BadModel: no registered version of the policy has its digest, or the stored files differ.
    """
    if not imports.needed(base) or imports.present(workspace, base):
        return
    version = next(
        (known for known in store.versions("policy") if store.trust.known(known).digest == base.imported), None
    )
    if version is None:
        raise BadModel(
            f"the imported adapter {base.imported} is neither in {workspace.imported(str(base.imported)).parent} nor "
            "registered; restore the folder from a backup, or begin anew from the champion with `rounds rebase`"
        )
    with TemporaryDirectory(prefix=".imported-", dir=workspace.data) as temporary:
        imports.store(workspace, store.fetch(version, Path(temporary) / "model"))


def _of(workspace: Workspace, champion: ModelVersion) -> str | None:
    """The import of the champion's round: by its record, or by the tag if another machine ran the round."""
    if champion.round in records.numbers(workspace):
        record = records.read(workspace, champion.round)
        if record.key == champion.tags.get("round_key"):
            return record.inputs.base.imported
    text = champion.tags.get(TAG, "")
    return text if _DIGEST.fullmatch(text) else None
