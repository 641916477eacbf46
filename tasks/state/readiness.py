"""Whether the next round starts by itself: enough usable feedback waits, or some has waited long enough.

Imports neither torch nor Prefect, so that `rounds status` stays fast.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from feedback import items
from feedback.terms import forbidden
from feedback.usable import usable
from tasks.state import intake
from tasks.state.gates import forbids_now, terms_now
from tasks.state.workspace import Workspace


class StartConditions(NamedTuple):
    """The usable records that wait, and the two conditions of which either starts a round."""

    usable: int
    threshold: int
    """Number of usable records that starts a round."""
    oldest: datetime | None
    """When the oldest usable one arrived; None if none waits."""
    max_wait: timedelta | None
    """How long it may wait before a round starts; None for however long."""
    now: datetime
    """When they were counted."""

    @property
    def due(self) -> datetime | None:
        """When a round starts even if no more feedback arrives; None if none would."""
        return self.oldest + self.max_wait if self.oldest and self.max_wait else None

    @property
    def cause(self) -> str | None:
        """Which condition starts a round now, as a sentence without a full stop; None if neither does."""
        if self.usable >= self.threshold:
            return f"{self.usable} usable records wait, and {self.threshold} start a round"
        if self.due and self.oldest and self.max_wait and self.now >= self.due:
            waited, most = days(self.now - self.oldest), days(self.max_wait)
            return f"the oldest of {self.usable} usable records has waited {waited}, and a round starts after {most}"
        return None

    @property
    def ready(self) -> bool:
        """True if a round starts now."""
        return self.cause is not None

    @property
    def outlook(self) -> str:
        """Which condition will start the next round, as far as that is known now."""
        if self.cause:
            return f"now: {self.cause}"
        more = f"when {self.threshold - self.usable} more usable records wait"
        return f"{more}, at the latest {self.due:%Y-%m-%d %H:%M} UTC" if self.due else more

    def __str__(self) -> str:
        waiting = f"{self.usable} of {self.threshold} usable records wait"
        return f"{waiting}, the oldest for {days(self.now - self.oldest)}" if self.oldest else waiting


def readiness(workspace: Workspace, overrides: Sequence[str] = (), now: datetime | None = None) -> StartConditions:
    """Count the usable records that no round has ingested, and look at the oldest.

    Reads all records that wait.

    Raises:
        BadParams: params.yaml cannot be read, or an override is invalid.
        NoDatabase: the feedback database does not answer.
    """
    knobs = intake.settings(workspace, overrides)
    arrivals = intake.new_arrivals(workspace)
    events = [arrival.event for arrival in arrivals]
    forbids, stated = forbids_now(workspace, overrides), terms_now(workspace, overrides)
    left_out = forbidden(events, forbids, stated) if events else set()
    allowed = [event for event in events if event.feedback_id not in left_out]
    found = usable(allowed, partial(items.stored, workspace.feedback))
    ids = {event.feedback_id for event in found}
    oldest = min((arrival.at for arrival in arrivals if arrival.event.feedback_id in ids), default=None)
    max_wait = timedelta(days=knobs.max_wait_days) if knobs.max_wait_days else None
    return StartConditions(len(found), knobs.threshold, oldest, max_wait, now or datetime.now(UTC))


def days(time: timedelta) -> str:
    """A length of time in the largest unit that it has one of: `3 d`, `5 h`, `12 min`."""
    minutes = max(round(time.total_seconds() / 60), 0)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"
