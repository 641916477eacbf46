"""Whether a round would learn from feedback that the last one did not have."""

from collections.abc import Sequence

from tasks.rounds import request
from tasks.state import intake, records
from tasks.state.readiness import readiness
from tasks.state.workspace import Workspace


def nothing_new(workspace: Workspace, overrides: Sequence[str] = ()) -> str | None:
    """Why the next round would learn from no new feedback, as a sentence without a full stop; None if it would.

    It would if a usable record waits, if a source judges what the round itself collects, as the simulated annotator
    does, or if a source that is read may have new records: its content, a knob or the code has changed since the last
    round. What round 0 ingested is new to round 1.

    Raises:
        BadParams: params.yaml cannot be read, or an override is invalid.
        BadFeedback: a source does not exist.
        NoDatabase: the feedback database does not answer.
    """
    last, waiting = records.last(workspace), readiness(workspace, overrides)
    if waiting.usable or (last and last.number == 0 and not last.inputs.base.imported):
        return None
    sources = intake.settings(workspace, overrides).sources
    if any(source.labels and not source.by_people for source in sources):
        return None
    if any(not source.labels for source in sources) and not (last and request.is_same(workspace, overrides, last)):
        return None
    every = intake.new_records(workspace)
    found = f"{every} records wait, and a round can learn from none of them" if every else "no record waits"
    return f"no new feedback: {found}"
