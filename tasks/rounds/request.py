"""What was asked for: tells a new request from the one that the last round has answered already.

Kept light on purpose: an answer from the record must not wait for torch or Prefect.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from core.settings import override, read, section
from tasks.state import records
from tasks.state import round as rounds
from tasks.state.intake import IngestSettings
from tasks.state.workspace import Workspace


def fingerprint(workspace: Workspace, overrides: Sequence[str]) -> str:
    """Digest of everything outside that decides a round, but for what waits in the inbox: knobs, code, sources.

    Raises:
        BadParams: the sources cannot be read.
    """
    values = override(read(workspace.params), overrides)
    sources = [source.fingerprint() for source in section(IngestSettings, values, "ingest", workspace.params).sources]
    parts = [values, rounds.code_digest(), sources]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def answered(workspace: Workspace, overrides: Sequence[str]) -> dict[str, Any] | None:
    """The record of the last round, where nothing has changed since."""
    last = records.last(workspace)
    if last is None or records.unfinished(workspace) or any(workspace.inbox.glob("*.jsonl")):
        return None
    return last if last["opened"]["request"] == fingerprint(workspace, overrides) else None
