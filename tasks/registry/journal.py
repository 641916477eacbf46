"""The journal of the alias: what somebody is about to do with it is written before it is done.

MLflow moves an alias in one call, and remembers nothing of it. So an *intent* goes first, as a run in the experiment
`promotions`; a kill leaves it open, and the next entry sees from the alias whether the move was made.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tasks.tools import tracking

if TYPE_CHECKING:
    from tasks.tools.tracking import MlflowClient, Run

EXPERIMENT = "promotions"
MoveKind = Literal["bootstrap", "promote", "force", "rollback"]
MoveState = Literal["committed", "aborted"]


class MoveIntent(NamedTuple):
    """A move of the alias from version `left` (empty: from nowhere) to version `target`."""

    run_id: str
    kind: str
    left: str
    target: str
    reason: str
    who: str
    at: datetime
    """When it was written down (UTC)."""
    lifted: bool = False
    """A rollback after which a person has let rounds promote again."""


class Journal:
    """The intents of one registry. Whoever uses it holds the registry's lock."""

    def __init__(self, store: "MlflowClient", root: Path) -> None:
        self._store = store
        self._experiment = tracking.experiment(store, EXPERIMENT, root)

    def intend(self, kind: MoveKind, left: str, target: str, reason: str, who: str) -> MoveIntent:
        """Write down a move that is about to be made."""
        tags = {"kind": kind, "left": left, "target": target, "reason": reason, "who": who}
        run = self._store.create_run(
            self._experiment, run_name=f"{kind} {left}→{target}", tags={**tags, "state": "open"}
        )
        return _read(run)

    def open(self) -> list[MoveIntent]:
        """Moves that were intended and not settled, oldest first."""
        runs = self._store.search_runs([self._experiment], "tags.state = 'open'", order_by=["attributes.start_time"])
        return [_read(run) for run in runs]

    def last(self) -> MoveIntent | None:
        """The move that was made last."""
        made = self._store.search_runs(
            [self._experiment], "tags.state = 'committed'", order_by=["attributes.start_time DESC"], max_results=1
        )
        return _read(made[0]) if made else None

    def reached(self, target: str) -> bool:
        """Whether a move to this version was ever made."""
        made = f"tags.state = 'committed' and tags.target = '{target}'"
        return bool(self._store.search_runs([self._experiment], made, max_results=1))

    def lift(self, intent: MoveIntent, who: str) -> None:
        """Mark a rollback as one after which rounds may promote again."""
        self._store.set_tag(intent.run_id, "lifted", who)

    def settle(self, intent: MoveIntent, state: MoveState) -> None:
        """Close an intent. The tag goes last: until it is set, the next entry settles again."""
        self._store.set_terminated(intent.run_id, "FINISHED" if state == "committed" else "KILLED")
        self._store.set_tag(intent.run_id, "state", state)


def _read(run: "Run") -> MoveIntent:
    said = {fact: run.data.tags.get(fact, "") for fact in ("kind", "left", "target", "reason", "who")}
    at = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    return MoveIntent(str(run.info.run_id), **said, at=at, lifted="lifted" in run.data.tags)
