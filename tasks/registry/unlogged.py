"""Taking versions that no line of the audit log vouches for into the log, once: those of older releases."""

from typing import NamedTuple

from core.errors import BadModel, BadParams
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.registry.ledger import ADOPT
from tasks.registry.versions import ModelVersion
from tasks.state.workspace import Workspace


class TakenIn(NamedTuple):
    """The result of `take_in`."""

    versions: tuple[ModelVersion, ...]
    refused: tuple[str, ...]
    """One sentence per version that was not adopted: its files are missing, or differ from the known digest."""


def unlogged(registry: Registry) -> list[ModelVersion]:
    """The versions of both models without a line of a registration or adoption in the log, oldest first."""
    log = registry.trust.log().versions
    versions = [*reversed(registry.versions("policy")), *reversed(registry.versions("reward"))]
    return [v for v in versions if (v.name, v.version) not in log or not log[v.name, v.version].registered]


def take_in(workspace: Workspace, registry: Registry, reason: str, who: str) -> TakenIn:
    """Download each version that the log does not know, compute its digest, and write it to the log.

    The digest is compared with what is known of the version: by a move of the champion in the log, by the mirror, or
    only by the version's own tag. Adopting again changes nothing.

    Raises:
        BadParams: the reason is empty.
    """
    if not reason.strip():
        raise BadParams("adopting versions needs a reason, which goes to the audit log; add --reason")
    adopted: list[ModelVersion] = []
    refused: list[str] = []
    for version in unlogged(registry):
        try:
            known = registry.check_files(version)
        except BadModel as error:
            refused.append(str(error))
            continue
        tags = version.tags
        optional = {name: tags[name] for name in ("verdict", "reward_version") if name in tags}
        facts = {"model": version.name, "version": version.version, "round": version.round, "digest": known.digest}
        audit.append(workspace.audit, ADOPT, who, **facts, **optional, compared=known.source, reason=reason)
        adopted.append(version)
    registry.send()
    return TakenIn(tuple(adopted), tuple(refused))
