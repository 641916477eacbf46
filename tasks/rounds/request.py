"""What was asked for: tells a new request from the one that the last round has answered already.

Kept light on purpose: an answer from the record must not wait for torch or Prefect. Only where the text of the request
is not that of the last round are the effective parameters compared, and they need torch.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.settings import override, parse, read, section
from tasks.state import records
from tasks.state import round as rounds
from tasks.state.intake import IngestSettings
from tasks.state.record import RoundRecord
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from tasks.rounds.params import RoundSettings


@dataclass(frozen=True)
class Request:
    """What a round is asked to do. Read once, when the round opens: a later edit of params.yaml is another request."""

    values: Mapping[str, Any]
    """params.yaml with the overrides on top, as written."""
    params: "RoundSettings"
    """Every knob with its effective value."""
    written: str
    """Digest of the values as written, the code, and the content of the sources."""
    fingerprint: str
    """The same of the effective values: writing out a default, or removing it from params.yaml, changes nothing."""


def ask(workspace: Workspace, overrides: Sequence[str]) -> Request:
    """Read params.yaml, apply the overrides, and look at the sources.

    Raises:
        BadParams: a knob that does not exist, or a value that it does not take.
        BadFeedback: a source that is not there.
    """
    values = override(read(workspace.params), overrides)
    params = parsed(workspace, values, overrides)
    for source in params.ingest.sources:
        source.check()
    outside = _outside(params.ingest)
    return Request(values, params, _digest(values, *outside), _digest(params.plain(), *outside))


def parsed(workspace: Workspace, values: Mapping[str, Any], overrides: Sequence[str]) -> "RoundSettings":
    """The effective parameters: these values, defaults where they name none.

    Raises:
        BadParams: a knob that does not exist, or a value that it does not take.
    """
    from tasks.rounds.params import RoundSettings  # torch, which an answer from the record can do without

    origin = f"{workspace.params} with {len(overrides)} overrides" if overrides else str(workspace.params)
    return parse(RoundSettings, values, origin)


def answered(workspace: Workspace, overrides: Sequence[str]) -> RoundRecord | None:
    """The record of the last round, where nothing has changed since: knobs, code, sources, and the empty inbox.

    A round made by other code has not answered the request, however its record spells it.

    Raises:
        BadParams: a knob that does not exist, or a value that it does not take.
        BadFeedback: a source that is not there.
    """
    last = records.last(workspace)
    if last is None or records.unfinished(workspace) or any(workspace.inbox.glob("*.jsonl")):
        return None
    if last.opened.code != rounds.code_digest():
        return None
    same = last.opened.written == _written(workspace, overrides)
    return last if same or last.opened.request == ask(workspace, overrides).fingerprint else None


def _written(workspace: Workspace, overrides: Sequence[str]) -> str:
    values = override(read(workspace.params), overrides)
    return _digest(values, *_outside(section(IngestSettings, values, "ingest", workspace.params)))


def _outside(ingest: IngestSettings) -> tuple[str, list[str]]:
    """What decides a round beside its knobs and what waits in the inbox: the code, and the content of the sources."""
    return rounds.code_digest(), [source.fingerprint() for source in ingest.sources]


def _digest(values: Mapping[str, Any], code: str, sources: Sequence[str]) -> str:
    text = json.dumps([values, code, sources], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
