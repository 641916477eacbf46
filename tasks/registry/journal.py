"""The write-ahead journal of the alias: each move is recorded before it is made.

MLflow moves an alias in one call and keeps no history. So an *intent* is written first, as a run in the experiment
`promotions`. A kill leaves the intent open, and the next call settles it by checking where the alias points.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from core.shown import noted
from tasks.tools import tracking

if TYPE_CHECKING:
    from tasks.tools.tracking import MlflowClient, Run

EXPERIMENT = "promotions"
MoveKind = Literal["bootstrap", "promote", "force", "rollback"]
MoveState = Literal["committed", "aborted"]


class MoveIntent(NamedTuple):
    """A move of the alias from version `left` (empty if it was unset) to version `target`."""

    run_id: str
    kind: str
    left: str
    target: str
    reason: str
    who: str
    at: datetime
    """When the intent was recorded (UTC)."""
    lifted: bool = False
    """True for a rollback whose cooldown a person has lifted."""


class Journal:
    """The intents of one registry. Callers must hold the registry's lock."""

    def __init__(self, store: "MlflowClient", root: Path) -> None:
        self._store = store
        self._experiment = tracking.experiment(store, EXPERIMENT, root)

    def intend(self, kind: MoveKind, left: str, target: str, reason: str, who: str) -> MoveIntent:
        """Record a move before it is made."""
        tags = {"kind": kind, "left": left, "target": target, "reason": noted(reason), "who": noted(who)}
        run = self._store.create_run(
            self._experiment, run_name=f"{kind} {left}→{target}", tags={**tags, "state": "open"}
        )
        return _read(run)

    def open(self) -> list[MoveIntent]:
        """Unsettled intents, oldest first."""
        runs = self._store.search_runs([self._experiment], "tags.state = 'open'", order_by=["attributes.start_time"])
        return [_read(run) for run in runs]

    def last(self) -> MoveIntent | None:
        """The last committed move."""
        runs = self._store.search_runs(
            [self._experiment], "tags.state = 'committed'", order_by=["attributes.start_time DESC"], max_results=1
        )
        return _read(runs[0]) if runs else None

    def reached(self, target: str) -> bool:
        """True if a move to this version was ever committed."""
        condition = f"tags.state = 'committed' and tags.target = '{target}'"
        return bool(self._store.search_runs([self._experiment], condition, max_results=1))

    def lift(self, intent: MoveIntent, who: str) -> None:
        """Mark the cooldown of a rollback as lifted."""
        self._store.set_tag(intent.run_id, "lifted", noted(who))

    def settle(self, intent: MoveIntent, state: MoveState) -> None:
        """Close an intent. The tag is set last; until then, the next call settles the intent again."""
        self._store.set_terminated(intent.run_id, "FINISHED" if state == "committed" else "KILLED")
        self._store.set_tag(intent.run_id, "state", state)


def _read(run: "Run") -> MoveIntent:
    fields = {fact: run.data.tags.get(fact, "") for fact in ("kind", "left", "target", "reason", "who")}
    at = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    return MoveIntent(str(run.info.run_id), **fields, at=at, lifted="lifted" in run.data.tags)
