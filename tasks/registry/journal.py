"""The write-ahead journal of the alias: each move is recorded before it is made.

MLflow moves an alias in one call and keeps no history. So an *intent* is written first, as a run in the line's
experiment `promotions`. A kill leaves the intent open, and the next call settles it by checking where the alias points.
"""

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from core.shown import noted
from tasks.registry.versions import VersionStore
from tasks.tools import tracking

if TYPE_CHECKING:
    from tasks.tools.tracking import MlflowClient, Run

PAGE = 1000
"""Runs per request; MLflow's default."""

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
    """The intents of one line. Callers must hold the registry's lock."""

    def __init__(self, versions: VersionStore) -> None:
        self._versions = versions

    @cached_property
    def _store(self) -> "MlflowClient":
        return self._versions.store

    def intend(self, kind: MoveKind, left: str, target: str, reason: str, who: str) -> MoveIntent:
        """Record a move before it is made."""
        tags = {"kind": kind, "left": left, "target": target, "reason": noted(reason), "who": noted(who)}
        experiment = tracking.experiment(self._store, self._versions.line.promotions, self._versions.root)
        run = self._store.create_run(experiment, run_name=f"{kind} {left}→{target}", tags={**tags, "state": "open"})
        return _read(run)

    def open(self) -> list[MoveIntent]:
        """Unsettled intents, oldest first."""
        return self._search("tags.state = 'open'", "attributes.start_time")

    def last(self) -> MoveIntent | None:
        """The last committed move."""
        return next(iter(self._search("tags.state = 'committed'", "attributes.start_time DESC", 1)), None)

    def reached(self, target: str) -> bool:
        """True if a move to this version was ever committed."""
        condition = f"tags.state = 'committed' and tags.target = '{target}'"
        return bool(self._search(condition, "attributes.start_time", 1))

    def _search(self, condition: str, order: str, most: int | None = None) -> list[MoveIntent]:
        """The intents that match, at most `most`; none if no move was ever intended. Reading creates nothing."""
        if self._versions.unused:
            return []
        experiment = tracking.find_experiment(self._store, self._versions.line.promotions)
        if experiment is None:
            return []
        runs: list[Run] = []
        token: str | None = None
        while most is None or not runs:
            page = self._store.search_runs(
                [experiment], condition, max_results=most or PAGE, order_by=[order], page_token=token
            )
            runs += page
            token = page.token
            if not token:
                break
        return [_read(run) for run in runs]

    def targets(self) -> list[str]:
        """The versions that committed moves went to, newest move first."""
        return [move.target for move in self._search("tags.state = 'committed'", "attributes.start_time DESC")]

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
