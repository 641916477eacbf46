"""What a round will take in: the sources that params.yaml names, and the inbox.

Kept light on purpose: handing in feedback, or an answer from the record, must not wait for torch or Prefect.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, SerializeAsAny

from core.errors import BadFeedback
from core.files import replacing
from core.knobs import BaseSettings
from core.plugins import used
from core.settings import override, read, section
from feedback import store
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source
from feedback.sources.jsonl import JSONL
from feedback.sources.simulated import Simulated
from tasks.state.workspace import Workspace

SourceField = Annotated[SerializeAsAny[Source], used("feedback.sources")]


class IngestSettings(BaseSettings):
    """Where feedback comes from."""

    sources: tuple[SourceField, ...] = (Simulated(),)
    """Read in every round; what was read before is recognised. The workspace's inbox is always read as well."""
    threshold: int = Field(200, ge=1)
    """Records waiting in the inbox that start a round by themselves."""


def knobs(workspace: Workspace, overrides: Sequence[str] = ()) -> IngestSettings:
    """The section `ingest` of the next round.

    Raises:
        BadParams: a knob that does not exist, or a value that it does not take.
    """
    return section(IngestSettings, override(read(workspace.params), overrides), "ingest", workspace.params)


def waiting(workspace: Workspace) -> list[FeedbackEvent]:
    """The usable records of the inbox, not grouped yet."""
    intake = Intake(round=0, seed=0)
    records = (record for file in sorted(workspace.inbox.glob("*.jsonl")) for record in JSONL(path=file).read(intake))
    return [record for record in records if isinstance(record, FeedbackEvent)]


def pending(workspace: Workspace) -> int:
    """Records in the inbox that no round has taken in yet."""
    return len({event.feedback_id for event in waiting(workspace)} - store.ids(workspace.feedback))


class InboxCount(NamedTuple):
    """How many records wait in the inbox, and how many start a round."""

    records: int
    threshold: int

    @property
    def enough(self) -> bool:
        """True where a round can start."""
        return self.records >= self.threshold

    def __str__(self) -> str:
        return f"{self.records} of {self.threshold} records wait"


def count(workspace: Workspace, overrides: Sequence[str] = ()) -> InboxCount:
    """What no round has taken in yet, and `ingest.threshold`."""
    return InboxCount(pending(workspace), knobs(workspace, overrides).threshold)


def hand_in(workspace: Workspace, files: Sequence[Path]) -> None:
    """Check files of feedback and keep copies of them in the inbox, on disk when this returns.

    Raises:
        BadFeedback: a record cannot be used; names file, line and reason. Then nothing was taken in.
    """
    for file in files:
        _check(file)
    for file in files:
        _keep(workspace, file)


def _check(file: Path) -> None:
    bad = [record for record in JSONL(path=file).read(Intake(0, 0)) if isinstance(record, RejectedRecord)]
    if bad:
        shown = "\n".join(f"  {record.where}: {record.reason}" for record in bad[:5])
        raise BadFeedback(
            f"{file}: {len(bad)} records cannot be used, nothing was taken in; correct them, or take them out:\n{shown}"
        )


def _keep(workspace: Workspace, file: Path) -> None:
    """Copy under a name made from the content: handed in twice, it is the same file."""
    content = file.read_bytes()
    with replacing(workspace.inbox / f"{hashlib.sha256(content).hexdigest()[:16]}.jsonl") as draft:
        draft.write_bytes(content)
