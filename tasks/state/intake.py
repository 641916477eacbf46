"""What a round will take in: the sources that params.yaml names, and the inbox.

Kept light on purpose: handing in feedback, or an answer from the record, must not wait for torch or Prefect.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, SerializeAsAny

from core.knobs import Knobs
from core.plugins import used
from core.settings import override, read, section
from feedback import store
from feedback.schema import FeedbackEvent
from feedback.sources import Intake, Source
from feedback.sources.jsonl import JSONL
from feedback.sources.simulated import Simulated
from tasks.state.workspace import Workspace

SourceField = Annotated[SerializeAsAny[Source], used("feedback.sources")]


class Ingest(Knobs):
    """Where feedback comes from."""

    sources: tuple[SourceField, ...] = (Simulated(),)
    """Read in every round; what was read before is recognised. The workspace's inbox is always read as well."""
    threshold: int = Field(200, ge=1)
    """Records waiting in the inbox that start a round by themselves."""


def knobs(workspace: Workspace, overrides: Sequence[str] = ()) -> Ingest:
    """The section `ingest` of the next round.

    Raises:
        BadParams: a knob that does not exist, or a value that it does not take.
    """
    return section(Ingest, override(read(workspace.params), overrides), "ingest", workspace.params)


def waiting(workspace: Workspace) -> list[FeedbackEvent]:
    """The usable records of the inbox, not grouped yet."""
    intake = Intake(round=0, seed=0)
    records = (record for file in sorted(workspace.inbox.glob("*.jsonl")) for record in JSONL(path=file).read(intake))
    return [record for record in records if isinstance(record, FeedbackEvent)]


def pending(workspace: Workspace) -> int:
    """Records in the inbox that no round has taken in yet."""
    return len({event.feedback_id for event in waiting(workspace)} - store.ids(workspace.feedback))
