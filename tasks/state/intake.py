"""Feedback that the next round will ingest: the sources named in params.yaml, and the inbox.

Imports neither torch nor Prefect, so that handing in feedback or reading a finished round's record stays fast.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, SerializeAsAny

from core.errors import BadFeedback
from core.files import replacing
from core.plugins import used
from core.settings import BaseSettings, override, read, section
from feedback import store
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source
from feedback.sources.jsonl import JSONL
from feedback.sources.simulated import Simulated
from tasks.state.workspace import Workspace, at

SourceField = Annotated[SerializeAsAny[Source], used("feedback.sources")]


class IngestSettings(BaseSettings):
    """Feedback sources, and how much waiting feedback starts a round."""

    sources: tuple[SourceField, ...] = (Simulated(),)
    """Read in every round; events that were ingested before are skipped. The workspace's inbox is always read too."""
    threshold: int = Field(200, ge=1)
    """Number of waiting inbox records at which a round starts automatically."""
    rejected_limit: float = Field(0.3, gt=0, le=1)
    """Share of the records of one source (of 50 or more) that cannot be used at which the round stops."""


def _settings(workspace: Workspace, overrides: Sequence[str]) -> IngestSettings:
    return section(IngestSettings, override(read(workspace.params), overrides), "ingest", workspace.params)


def inbox_events(workspace: Workspace) -> list[FeedbackEvent]:
    """The valid events in the inbox, before prompt groups are assigned."""
    intake = Intake(round=0, seed=0)
    records = (record for file in sorted(workspace.inbox.glob("*.jsonl")) for record in JSONL(path=file).read(intake))
    return [record for record in records if isinstance(record, FeedbackEvent)]


def new_records(workspace: Workspace) -> int:
    """Number of inbox records that no round has ingested yet."""
    return len({event.feedback_id for event in inbox_events(workspace)} - store.ids(workspace.feedback))


class InboxCount(NamedTuple):
    """Number of records waiting in the inbox, and the number that starts a round."""

    records: int
    threshold: int

    @property
    def enough(self) -> bool:
        """True if there are enough records to start a round."""
        return self.records >= self.threshold

    def __str__(self) -> str:
        return f"{self.records} of {self.threshold} records wait"


def count(workspace: Workspace, overrides: Sequence[str] = ()) -> InboxCount:
    """The number of records not ingested yet, with `ingest.threshold`.

    Raises:
        BadParams: an unknown knob, or an invalid value.
    """
    return InboxCount(new_records(workspace), _settings(workspace, overrides).threshold)


def hand_in(workspace: Workspace, files: Sequence[Path]) -> None:
    """Validate feedback files and copy them to the inbox; the copies are on disk when this returns.

    A workspace that does not exist yet is created once all files are valid.

    Raises:
        BadFeedback: a file does not exist, or a record is invalid; names file, line and reason. No file is copied then.
    """
    for file in files:
        if not file.is_file():
            raise BadFeedback(f"{file}: there is no such file, so nothing was accepted; name a file of JSON lines")
        _check(file)
    workspace = at(workspace.root)
    for file in files:
        _copy_to_inbox(workspace, file)


def _check(file: Path) -> None:
    bad = [record for record in JSONL(path=file).read(Intake(0, 0)) if isinstance(record, RejectedRecord)]
    if bad:
        shown = "\n".join(f"  {record.where}: {record.reason}" for record in bad[:5])
        raise BadFeedback(
            f"{file}: {len(bad)} invalid records, so nothing was accepted; correct or remove them:\n{shown}"
        )


def _copy_to_inbox(workspace: Workspace, file: Path) -> None:
    """Copy under a name derived from the content, so that handing in the same file twice gives one copy."""
    content = file.read_bytes()
    with replacing(workspace.inbox / f"{hashlib.sha256(content).hexdigest()[:16]}.jsonl") as draft:
        draft.write_bytes(content)
