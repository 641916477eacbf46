"""Which policy is in use: the alias `champion` and its moves.

The alias is the only commit point. Moving it is journalled (journal.py) and audited (audit.py), so that a
kill anywhere leaves a whole champion and a move that the next entry settles. The lock is one machine's; between
machines that share a server, `expect` is what keeps two promotions apart.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from core.errors import BadParams, RoundsError
from tasks.registry import audit
from tasks.registry.journal import Journal, MoveIntent, MoveKind
from tasks.registry.versions import CHAMPION, ModelVersion, VersionStore
from tasks.state.workspace import Workspace

__all__ = [
    "AliasConflict",
    "Cooldown",
    "CoolingDown",
    "ModelVersion",
    "NeverChampion",
    "Registry",
    "RollbackResult",
    "RolledBack",
]

FORCED = "forced"
"""The tag of a version that a person promoted against what is known of it, with their reason."""


class AliasConflict(RoundsError):
    """The alias is not where the caller believes it to be, so it was left alone."""


class RolledBack(AliasConflict):
    """The version was rolled away from, and is not promoted again by mistake."""


class NeverChampion(AliasConflict):
    """A rollback was to go to a version that was never in use."""


class CoolingDown(AliasConflict):
    """A rollback is too recent for a promotion that no person decides."""


class RollbackResult(NamedTuple):
    """A rollback: the version that was champion, and the one that is."""

    left: ModelVersion
    now: ModelVersion


class Cooldown(NamedTuple):
    """The time after a rollback in which no round promotes."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        since, until = (f"{moment:%Y-%m-%d %H:%M} UTC" for moment in self)
        return f"there was a rollback at {since}, so no round promotes before {until} (promotion.cooldown)"


class Registry(VersionStore):
    """The registered versions of a workspace's models, and the moves of the alias."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._journal = Journal(self.store, root)
        self._audit = Workspace(root).audit

    def promote(
        self,
        version: str,
        expect: str | None,
        reason: str,
        who: str,
        kind: MoveKind = "promote",
        cooldown: float | None = None,
    ) -> Literal["done", "noop"]:
        """Make a version of the policy champion; `noop` where it is already.

        Args:
            version: the version to promote.
            expect: the version that must be champion now; None where there must be none.
            reason: why, for the audit log.
            who: a person, or what acts for one.
            kind: what the audit log calls it. `force` promotes even what was rolled away from.
            cooldown: seconds after a rollback in which nothing is promoted; None where a person decides.

        Raises:
            Conflict: another version than `expect` is champion.
            RolledBack: the version was rolled away from, and `kind` is not `force`.
            CoolingDown: the last rollback is not `cooldown` seconds ago.
            BadModel: there is no such version.
            BadParams: no reason.
        """
        with self._locked():
            self._reconcile()
            target, left = self.version(version), self.alias()
            if left == version:
                return "noop"
            if left != expect:
                raise AliasConflict(
                    f"policy@champion is {left or 'unset'}, expected {expect or 'unset'}: version {version} was "
                    "compared with another; run a new round"
                )
            if kind != "force":
                _refuse_rolled_back(target)
            if cooldown is not None:
                self._refuse_while_cooling(version, cooldown)
            self._move(kind, left or "", target, reason, who)
        return "done"

    def rollback(self, to: str | None, reason: str, who: str, expect: str | None = None) -> RollbackResult:
        """Make an earlier version champion again: `to`, or the one that the champion took over from.

        The version left is marked, and not promoted again unless forced; a cooldown begins. A rollback that a kill cut
        short after the alias moved is finished here, and not repeated from there.

        Args:
            to: the version to go back to.
            reason: why, for the audit log and the mark.
            who: a person, or what acts for one.
            expect: the version that is to be left; None leaves whichever is champion.

        Raises:
            Conflict: there is nothing to go back to, or another version than `expect` is champion.
            RolledBack: the target was itself rolled away from.
            NeverChampion: `to` was never champion; promoting it is another decision than going back.
            BadModel: there is no version `to`.
            BadParams: no reason.
        """
        with self._locked():
            for settled in self._reconcile():
                if settled.kind == "rollback" and to in (None, settled.target):
                    return RollbackResult(self.version(settled.left), self.version(settled.target))
            now = self.champion()
            if expect is not None and (now is None or now.version != expect):
                raise AliasConflict(
                    f"policy@champion is {now.version if now else 'unset'}, no longer {expect}; see `rounds status`"
                )
            target = to or (now.tags.get("rollback_to") if now else None)
            if not now or not target:
                raise AliasConflict("policy@champion took over from no other version; name the one to go back to")
            if target == now.version:
                return RollbackResult(now, now)
            _refuse_rolled_back(self.version(target))
            if to:
                self._refuse_never_champion(to)
            self._move("rollback", now.version, self.version(target), reason, who)
            return RollbackResult(self.version(now.version), self.version(target))

    def cooling(self, cooldown: float) -> Cooldown | None:
        """The cooldown that runs now, of so many seconds; None where the champion was promoted, or it was lifted."""
        last = self._journal.last()
        if last is None or last.kind != "rollback" or last.lifted:
            return None
        until = last.at + timedelta(seconds=cooldown)
        return Cooldown(last.at, until) if datetime.now(UTC) < until else None

    def lift(self, reason: str, who: str) -> bool:
        """Let rounds promote again after a rollback; False where the champion's last move was none, or was lifted."""
        with self._locked():
            self._reconcile()
            last = self._journal.last()
            if last is None or last.kind != "rollback" or last.lifted:
                return False
            audit.append(self._audit, "lift", who, model="policy", reason=reason)
            self._journal.lift(last, who)
        return True

    def mark(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Set tags of a version of the policy, such as what became of its verdict."""
        for key, value in tags.items():
            self.store.set_model_version_tag(version.name, version.version, key, value)

    def reconcile(self) -> None:
        """Settle the move that a kill left open, and record a move that was made elsewhere. Each change begins so."""
        with self._locked():
            self._reconcile()

    def _reconcile(self) -> list[MoveIntent]:
        """Settle what is open; returns the moves that turned out to be made."""
        now = self.alias()
        made = []
        for intent in self._journal.open():
            if now == intent.target:
                self._commit(intent)
                made.append(intent)
            else:
                self._journal.settle(intent, "aborted")
        self._note_strange_move(now or "")
        return made

    def _note_strange_move(self, now: str) -> None:
        """Record an alias that is not where the audit log left it: moved by hand, or from another workspace."""
        left = next((entry.facts["now"] for entry in reversed(audit.read(self._audit)) if "now" in entry.facts), "")
        if now != left:
            audit.append(self._audit, "found", "unknown", model="policy", left=left, now=now)

    def _move(self, kind: MoveKind, left: str, target: ModelVersion, reason: str, who: str) -> None:
        if not reason.strip():
            raise BadParams("moving the champion needs a reason; it goes to the audit log")
        intent = self._journal.intend(kind, left, target.version, reason, who)
        self.store.set_registered_model_alias("policy", CHAMPION, target.version)
        self._commit(intent)

    def _commit(self, intent: MoveIntent) -> None:
        """Everything that follows from a moved alias. Repeated after a kill, it changes nothing twice."""
        if intent.kind == "rollback":
            self.store.set_model_version_tag("policy", intent.left, "rolled_back", intent.reason)
        else:
            if intent.left:
                self.store.set_model_version_tag("policy", intent.target, "rollback_to", intent.left)
            self.store.delete_model_version_tag("policy", intent.target, "rolled_back")
        if intent.kind == "force":
            self.store.set_model_version_tag("policy", intent.target, FORCED, intent.reason)
        if all(entry.facts.get("intent") != intent.run_id for entry in audit.read(self._audit)):
            now = self.version(intent.target)
            facts = {"round": now.round, "digest": now.digest, "run": now.run_id, "intent": intent.run_id}
            moved = {"model": "policy", "left": intent.left, "now": intent.target, "reason": intent.reason}
            audit.append(self._audit, intent.kind, intent.who, **moved, **facts)
        self._journal.settle(intent, "committed")

    def _refuse_never_champion(self, version: str) -> None:
        found = any(entry.facts.get("now") == version for entry in audit.read(self._audit))  # also where moved by hand
        if not found and not self._journal.reached(version):
            raise NeverChampion(
                f"policy version {version} was never champion, so there is no going back to it; to make it champion: "
                f"`rounds promote {version} --reason …`"
            )

    def _refuse_while_cooling(self, version: str, cooldown: float) -> None:
        if cooling := self.cooling(cooldown):
            raise CoolingDown(f"{cooling}; by hand: `rounds promote {version} --reason …`")


def _refuse_rolled_back(target: ModelVersion) -> None:
    if "rolled_back" in target.tags:
        why = target.tags["rolled_back"]
        raise RolledBack(
            f"policy version {target.version} was rolled back ({why}); name another, or promote it all the "
            f"same: `rounds promote {target.version} --force --reason …`"
        )
