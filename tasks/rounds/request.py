"""The request for a round, and whether the last round has already answered it.

This module must not import torch or Prefect, which would delay an answer from the record. The effective parameters,
which need torch, are only compared if the request as written differs from the last round's.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import BadParams
from core.knobs import with_secrets
from core.settings import override, parse, read, section
from tasks.registry import consistency, unloaded
from tasks.state import feedback_database, inbox, records, tombstones
from tasks.state import round as rounds
from tasks.state.intake import IngestSettings
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace
from tasks.tools import traces

if TYPE_CHECKING:
    from tasks.rounds.params import RoundSettings


@dataclass(frozen=True)
class Request:
    """Parameters, code and sources of a round. Read once, at opening; a later edit of params.yaml is a new request."""

    values: Mapping[str, Any]
    """params.yaml with the overrides on top, as written."""
    params: "RoundSettings"
    """Every knob with its effective value."""
    written: str
    """Digest of the values as written, the code, and the content of the sources."""
    fingerprint: str
    """The same with the effective values: it does not depend on whether params.yaml states a default."""


def read_request(workspace: Workspace, overrides: Sequence[str]) -> Request:
    """Read params.yaml, apply the overrides, and check the sources.

    Raises:
        BadParams: a knob does not exist, or its value is invalid.
        BadFeedback: a source does not exist.
    """
    values = override(read(workspace.params), overrides)
    params = parsed(workspace, values, overrides)
    for source in traces.connected(params.ingest.sources, workspace.root):
        source.check()
    origin = _code_and_sources(workspace, params.ingest)
    return Request(values, params, _digest(values, *origin), _digest(params.plain(), *origin))


def parsed(workspace: Workspace, values: Mapping[str, Any], overrides: Sequence[str]) -> "RoundSettings":
    """The effective parameters: these values, and defaults for all other knobs.

    Raises:
        BadParams: a knob does not exist, its value is invalid, or it is an address with a secret.
    """
    from tasks.rounds.params import RoundSettings  # imports torch, which an answer from the record does not need

    origin = f"{workspace.params} with {len(overrides)} overrides" if overrides else str(workspace.params)
    params = parse(RoundSettings, values, origin)
    if problems := "\n".join(f"  {problem}" for problem in with_secrets(params.plain())):
        raise BadParams(
            f"{origin}:\n{problems}\nwrite the address without it, and set the variables of the environment that the "
            "tool reads: for MLflow MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    return params


def answered(workspace: Workspace, overrides: Sequence[str]) -> RoundRecord | None:
    """The last round's record if knobs, code and sources have not changed since, and no feedback waits; else None.

    None as well if a round is unfinished, or only a model was imported. A round of other code never answers a request.

    Raises:
        BadParams: a knob does not exist, or its value is invalid.
        BadFeedback: a source does not exist.
    """
    last = records.last(workspace)
    if last is None or records.unfinished(workspace) or inbox.files(workspace):
        return None
    if last.number == 0 and last.inputs.base.imported:  # the round after an import is still to come
        return None
    if feedback_database.waiting(workspace) or last.inputs.forgotten != tombstones.forgotten(workspace):
        return None
    return last if is_same(workspace, overrides, last) else None


def is_same(workspace: Workspace, overrides: Sequence[str], last: RoundRecord) -> bool:
    """Whether knobs, code and the content of the sources are those of a round.

    Raises:
        BadParams, BadFeedback: see `answered`.
    """
    if last.opened.code != rounds.code_digest():
        return False
    same = last.opened.written == _digest_as_written(workspace, overrides)
    return same or last.opened.request == read_request(workspace, overrides).fingerprint


def answer(workspace: Workspace, overrides: Sequence[str]) -> RoundRecord | None:
    """The record that answers a request as in `answered`, if audit log, records and registry agree.

    Raises:
        Inconsistent: they do not: the record names a champion that may be gone.
        Unreadable: MLflow does not answer, or its database is missing or damaged.
    """
    record = answered(workspace, overrides)
    if record is None:
        return None
    if errors := consistency.errors(unloaded.differences(workspace)):
        raise consistency.Inconsistent("\n".join(errors))
    return record


def _digest_as_written(workspace: Workspace, overrides: Sequence[str]) -> str:
    values = override(read(workspace.params), overrides)
    return _digest(values, *_code_and_sources(workspace, section(IngestSettings, values, "ingest", workspace.params)))


def _code_and_sources(workspace: Workspace, ingest: IngestSettings) -> tuple[str, list[str]]:
    """What determines a round besides its knobs and the inbox: digest of the code, fingerprints of the sources."""
    sources = traces.connected(ingest.sources, workspace.root)
    return rounds.code_digest(), [source.fingerprint() for source in sources]


def _digest(values: Mapping[str, Any], code: str, sources: Sequence[str]) -> str:
    text = json.dumps([values, code, sources], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
