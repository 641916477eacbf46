"""Curing differences between log, records and registry: write lines of the mirror back, or accept the differences."""

from pathlib import Path
from typing import NamedTuple

from core.errors import BadParams, Damaged, NotFound
from tasks.registry import audit, signing
from tasks.registry.alias import Registry
from tasks.registry.consistency import ACCEPT_CURE, Disagreement, inspect
from tasks.registry.ledger import ACCEPT
from tasks.registry.mirror import MirroredLine, attested, identity
from tasks.registry.trust import Unverified
from tasks.state.workspace import Workspace


class RestoredLog(NamedTuple):
    """The log after lines of the mirror were written back."""

    lines: int
    added: int
    """Lines that the log lacked."""
    replaced: Path | None
    """Where the log as it was before is kept; None if there was none."""


def restore(workspace: Workspace, registry: Registry, unverified: bool) -> RestoredLog:
    """Replace the audit log by the copy of it in MLflow.

    Args:
        workspace: the workspace.
        registry: its registry.
        unverified: also accept lines that no trusted key signed.

    Raises:
        NotFound: MLflow has no whole copy, or none with lines that the log lacks.
        Unverified: no trusted key signed the lines, and `unverified` is not set.
    """
    lines = registry.mirror.own()
    if not unverified:
        lines = _signed(workspace, lines)
    chain, present = _chain(lines), audit.lines(workspace.audit)
    added = len(set(chain) - set(present))
    if not chain or (not added and not _damaged(workspace)):
        raise NotFound(
            f"MLflow has no lines of {workspace.audit} that the log lacks; restore the file and its .head from a "
            f"backup, or {ACCEPT_CURE}"
        )
    return RestoredLog(len(chain), added, audit.replace(workspace.audit, chain))


def accept(workspace: Workspace, registry: Registry, reason: str, who: str) -> list[Disagreement]:
    """Accept the present differences, so that rounds go on; returns them.

    A damaged log is kept under another name; its readable lines form a new chain. The line that is written names every
    difference. Versions that are gone are no longer expected, and their numbers no longer stand for their digests.

    Raises:
        BadParams: the reason is empty.
        NotFound: there is nothing to accept.
    """
    if not reason.strip():
        raise BadParams("accepting differences needs a reason, which goes to the audit log; add --reason")
    accepted = _acceptable(inspect(workspace, registry))
    if not accepted:
        raise NotFound("there is no difference to accept; `rounds audit verify` lists what is left, with its cures")
    kept = audit.replace(workspace.audit, audit.rechained(audit.read(workspace.audit))) if _damaged(workspace) else None
    remaining = _acceptable(inspect(workspace, registry))
    names = [difference.identity for difference in (*accepted, *remaining)]
    names += [identity(line) for line in registry.mirror.ahead()]
    gone = [difference.gone for difference in accepted if difference.gone]
    facts = {"damaged": kept.name} if kept else {}
    audit.append(
        workspace.audit, ACCEPT, who, reason=reason, differences=list(dict.fromkeys(names)), gone=gone, **facts
    )
    registry.send()
    return accepted


def _acceptable(differences: list[Disagreement]) -> list[Disagreement]:
    return [difference for difference in differences if any(ACCEPT_CURE in cure for cure in difference.cures)]


def _damaged(workspace: Workspace) -> bool:
    try:
        return bool(audit.verify(workspace.audit))
    except Damaged:
        return True


def _signed(workspace: Workspace, lines: list[MirroredLine]) -> list[MirroredLine]:
    keys = signing.trusted_keys(workspace, signing.knobs(workspace))
    signed = attested(lines, keys)
    if lines and not signed:
        raise Unverified(
            "no trusted key signed the lines in MLflow, so that anybody who can write there may have changed them; "
            "compare them with a backup of the log, or use them unverified: `rounds audit restore --unverified`"
        )
    return signed


def _chain(lines: list[MirroredLine]) -> list[bytes]:
    """The whole chain whose last line is the newest; empty if there is none."""
    texts = {line.sha256: line.text for line in lines}
    entries = {name: entry for name, text in texts.items() if (entry := audit.parse(text)) is not None}
    for last in sorted(entries, key=lambda name: entries[name].at, reverse=True):
        chain, name = list[bytes](), last
        while name in entries:
            chain.append(texts[name])
            name = entries[name].previous
        if audit.chained(chain[::-1]):
            return chain[::-1]
    return []
