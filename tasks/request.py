"""What was asked for: tells a new request from the one that the last round has answered already.

Kept light on purpose: an answer from the record must not wait for torch or Prefect.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from core.plugins import make
from core.settings import override, read
from feedback.sources import Source
from tasks import records
from tasks import round as rounds
from tasks.workspace import Workspace


def fingerprint(workspace: Workspace, overrides: Sequence[str]) -> str:
    """Digest of everything outside that decides a round: knobs, code, sources, inbox."""
    values = override(read(workspace.params), overrides)
    parts = [values, rounds.code_digest(), _sources(values), _inbox(workspace)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def answered(workspace: Workspace, overrides: Sequence[str]) -> dict[str, Any] | None:
    """The record of the last round, where nothing has changed since."""
    last = records.last(workspace)
    if last is None or records.unfinished(workspace) or last["request"] != fingerprint(workspace, overrides):
        return None
    return last


def _sources(values: dict[str, Any]) -> list[str]:
    sources = (values.get("ingest") or {}).get("sources") or []
    return [_source(dict(source)) for source in sources]


def _source(knobs: dict[str, Any]) -> str:
    source: Source = make("feedback.sources", str(knobs["use"]), knobs)
    return source.fingerprint()


def _inbox(workspace: Workspace) -> list[str]:
    return sorted(file.name for file in workspace.inbox.glob("*.jsonl"))
