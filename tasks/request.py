"""What was asked for: tells a new request from the one that the last round has answered already.

Kept light on purpose: an answer from the record must not wait for torch or Prefect.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from core.knobs import Knobs
from core.plugins import used
from core.settings import override, parse, read
from feedback.sources import Source
from tasks import records
from tasks import round as rounds
from tasks.workspace import Workspace


class _Sources(Knobs):
    """What the section `ingest` says of sources; `tasks.ingest` has it whole, and would bring Prefect along."""

    sources: tuple[Annotated[Source, used("feedback.sources")], ...] = ()


def fingerprint(workspace: Workspace, overrides: Sequence[str]) -> str:
    """Digest of everything outside that decides a round, but for what waits in the inbox: knobs, code, sources.

    Raises:
        BadParams: the sources cannot be read.
    """
    values = override(read(workspace.params), overrides)
    parts = [values, rounds.code_digest(), _fingerprints(workspace, values)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def answered(workspace: Workspace, overrides: Sequence[str]) -> dict[str, Any] | None:
    """The record of the last round, where nothing has changed since."""
    last = records.last(workspace)
    if last is None or records.unfinished(workspace) or any(workspace.inbox.glob("*.jsonl")):
        return None
    return last if last["opened"]["request"] == fingerprint(workspace, overrides) else None


def _fingerprints(workspace: Workspace, values: Mapping[str, Any]) -> list[str]:
    section = values.get("ingest") or {}
    given = {"sources": section["sources"]} if "sources" in section else {}
    return [source.fingerprint() for source in parse(_Sources, given, f"{workspace.params}, ingest").sources]
