"""The alias `champion`, which says which policy is in use, and its moves.

The alias is the only commit point. Each move is journalled (journal.py) and audited (audit.py), so that a kill at any
point leaves a complete champion and a move that the next call settles. The lock covers one machine; between machines
that share a server, `expect` prevents conflicting promotions.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from core.errors import BadParams, NotFound, RoundsError
from core.shown import noted
from tasks.registry import absent, audit, mirror
from tasks.registry.journal import MoveIntent, MoveKind
from tasks.registry.ledger import DIGEST_FROM
from tasks.registry.mirror import MirroredLine
from tasks.registry.outcomes import FORCED, VersionOutcomes
from tasks.registry.trust import Unverified
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.state.line import ModelLine
from tasks.state.workspace import Workspace
from tasks.tools import lines

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


class AliasConflict(RoundsError):
    """The alias points to another version than the caller expected, so it was not moved."""


class RolledBack(AliasConflict):
    """The version was rolled back earlier; promoting it again needs `--force`."""


class NeverChampion(AliasConflict):
    """The target of a rollback was never champion."""


class CoolingDown(AliasConflict):
    """An automatic promotion during the cooldown after a rollback."""


class RollbackResult(NamedTuple):
    """A rollback: the version that was champion before, and the one that is now."""

    left: ModelVersion
    now: ModelVersion


class Cooldown(NamedTuple):
    """The period after a rollback in which no round promotes."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        since, until = (f"{moment:%Y-%m-%d %H:%M} UTC" for moment in self)
        return f"there was a rollback at {since}, so no round promotes before {until} (promotion.cooldown)"


class Registry(VersionOutcomes):
    """The registered versions of a line's models, what became of them, and the moves of the alias."""

    def __init__(self, root: Path, line: ModelLine | None = None) -> None:
        super().__init__(root, line)
        self._audit = Workspace(root).audit
        self.lacking: list[MirroredLine] = []
        """Lines of this workspace that only the mirror has; set by `reconcile`."""

    @property
    def _policy(self) -> str:
        return self.line.model("policy")

    def champion(self) -> ModelVersion | None:
        """The policy that is in use; None if the alias is unset, `tasks.registry.absent.why` says why.

        Raises:
            NotFound: the alias was moved by hand to a version that no round registered.
        """
        version = self.alias()
        champion = self.find(version) if version else None
        if version and champion is None:
            cure = absent.promoting(self)
            raise NotFound(
                f"policy@champion points to version {version}, which no round registered: somebody moved it in MLflow; "
                f"{cure}"
            )
        return champion

    def expected_champion(self) -> ModelVersion | None:
        """The same, for a round; None only before the first round.

        Raises:
            NotFound: the alias is unset although there was a champion, or see `champion`.
        """
        champion = self.champion()
        if champion is None and not absent.first_round_is_due(self):
            reason = absent.why(self)
            raise NotFound(reason)
        return champion

    def promote(
        self,
        version: str,
        expect: str | None,
        reason: str,
        who: str,
        kind: MoveKind = "promote",
        cooldown: float | None = None,
        unverified: bool = False,
    ) -> Literal["done", "noop"]:
        """Make a version of the policy champion; returns `noop` if it already is.

        Args:
            version: the version to promote.
            expect: the version that must be champion now; None if there must be no champion.
            reason: why, for the audit log.
            who: the person or program that promotes.
            kind: event name in the audit log. `force` also promotes a version that was rolled back.
            cooldown: seconds after a rollback in which the promotion is refused; None for manual promotions.
            unverified: also promote a version whose digest nobody vouches for.

        Raises:
            Unverified: neither the audit log nor a trusted key vouches for the version or its reward model.
            BadModel: its tag has another digest than the log, and its files differ as well.
            AliasConflict: another version than `expect` is champion.
            BadWorkspace: the workspace is a copy of one that still exists.
            RolledBack: the version was rolled back earlier, and `kind` is not `force`.
            CoolingDown: the last rollback was less than `cooldown` seconds ago.
            NotFound: there is no such version.
            BadParams: the reason is empty.
        """
        with self._locked():
            self._reconcile()
            target, left = self.version(version), self.alias()
            if left == version:
                return "noop"
            if left != expect:
                raise AliasConflict(
                    f"policy@champion is {left or 'unset'}, expected {expect or 'unset'}: version {version} was "
                    "compared with another champion; run a new round"
                )
            if kind != "force":
                self._refuse_rolled_back(target)
            self._refuse_unverified(target, unverified)
            if cooldown is not None:
                self._refuse_while_cooling(version, cooldown)
            self._move(kind, left or "", target, reason, who)
            self.send()
        return "done"

    def rollback(
        self, to: str | None, reason: str, who: str, expect: str | None = None, once: bool = False
    ) -> RollbackResult:
        """Make an earlier version champion again: `to`, or the predecessor of the champion.

        The version left is tagged `rolled_back`, so that promoting it again needs `force`, and a cooldown begins. A
        rollback that was killed after the alias moved is completed here; no second rollback follows.

        Args:
            to: the version to go back to.
            reason: why, for the audit log and the tag.
            who: the person or program that rolls back.
            expect: the version that must be champion now; None accepts any.
            once: do nothing if the last move was a rollback for this reason, and to `to` if that is named.

        Raises:
            AliasConflict: the champion has no predecessor, or another version than `expect` is champion.
            BadWorkspace: the workspace is a copy of one that still exists.
            RolledBack: the target itself was rolled back earlier.
            NeverChampion: `to` was never champion, so it has to be promoted instead.
            NotFound: there is no version `to`.
            BadModel: the files of the target or of its reward model are missing or differ. Files on a server are
                looked at only if a tag has another digest than the log.
            BadParams: the reason is empty.
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
            if now is None:
                reason_of = absent.why(self)
                raise AliasConflict(reason_of)
            if once and self._just_rolled_back(now, to, reason):
                return RollbackResult(now, now)
            target = to or self.predecessor(now)
            if target is None:
                raise AliasConflict(
                    f"policy@champion is version {now.version}, which took over from none; name a former champion with "
                    "`rounds rollback --to VERSION --reason …`, or promote another version with "
                    "`rounds promote VERSION --reason …`"
                )
            if target == now.version:
                return RollbackResult(now, now)
            self._refuse_rolled_back(self.version(target))
            self._refuse_never_champion(target)
            self._compare(self.version(target), with_files=True)
            self._move("rollback", now.version, self.version(target), reason, who)
            self.send()
            return RollbackResult(self.version(now.version), self.version(target))

    def _just_rolled_back(self, now: ModelVersion, to: str | None, reason: str) -> bool:
        moves = [entry for entry in audit.read(self._audit) if "now" in entry.facts]
        last = moves[-1] if moves else None
        if last is None or last.event != "rollback" or to not in (None, now.version):
            return False
        return (last.facts["now"], last.facts["reason"]) == (now.version, noted(reason))

    def send(self) -> None:
        """Send new lines of the audit log to MLflow. A failure is logged: the next command sends them."""
        self.lacking = mirror.sent(self.mirror)

    def cooling(self, cooldown: float) -> Cooldown | None:
        """The current cooldown of `cooldown` seconds; None if it ended, was lifted, or a promotion followed."""
        last = self._journal.last()
        if last is None or last.kind != "rollback" or last.lifted:
            return None
        until = last.at + timedelta(seconds=cooldown)
        return Cooldown(last.at, until) if datetime.now(UTC) < until else None

    def lift(self, reason: str, who: str) -> bool:
        """End the cooldown after a rollback; False if the last move was not a rollback, or its cooldown was lifted."""
        with self._locked():
            self._reconcile()
            last = self._journal.last()
            if last is None or last.kind != "rollback" or last.lifted:
                return False
            self._settle()
            audit.append(self._audit, "lift", who, model="policy", reason=reason)
            self._journal.lift(last, who)
            self.send()
        return True

    def mark(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Set tags of a version of the policy, such as its final verdict."""
        for key, value in tags.items():
            self.store.set_model_version_tag(self.line.model(version.name), version.version, key, noted(value))

    def reconcile(self) -> None:
        """Settle a move that a kill left open, and record outside moves. Every change of the alias begins with this."""
        with self._locked():
            self._reconcile()
            self.send()

    def _reconcile(self) -> list[MoveIntent]:
        """Settle open moves; returns those that had moved the alias."""
        now = self.alias()
        completed = []
        for intent in self._journal.open():
            if now == intent.target:
                self._commit(intent)
                completed.append(intent)
            else:
                self._journal.settle(intent, "aborted")
        self._record_outside_move(now or "")
        return completed

    def _record_outside_move(self, now: str) -> None:
        """Record a move that the audit log does not have: made by hand, or from another workspace.

        A registry that never had this workspace's rounds, as under a wrong address, tells nothing about its alias.
        """
        left = next((entry.facts["now"] for entry in reversed(audit.read(self._audit)) if "now" in entry.facts), "")
        if now != left and absent.unknown_round(self) is None:
            audit.append(self._audit, "found", "unknown", model="policy", left=left, now=now)

    def _move(self, kind: MoveKind, left: str, target: ModelVersion, reason: str, who: str) -> None:
        if not reason.strip():
            raise BadParams("a change of the champion needs a reason, which goes to the audit log; add --reason")
        self._settle()
        intent = self._journal.intend(kind, left, target.version, reason, who)
        self.store.set_registered_model_alias(self._policy, CHAMPION, target.version)
        self._commit(intent)

    def _settle(self) -> None:
        """Record the workspace's line before it is changed; refuse a copied workspace."""
        if lines.line_of(self.store, self.root) == self.line:
            lines.settle(self.store, self.root)

    def _commit(self, intent: MoveIntent) -> None:
        """Set tags, write the audit log and settle the intent after the alias moved. Idempotent."""
        if intent.kind == "rollback":
            self.store.set_model_version_tag(self._policy, intent.left, "rolled_back", intent.reason)
        else:
            if intent.left and self.find(intent.left):  # a version of no round can't be rolled back to
                self.store.set_model_version_tag(self._policy, intent.target, "rollback_to", intent.left)
            self.store.delete_model_version_tag(self._policy, intent.target, "rolled_back")
        if intent.kind == "force":
            self.store.set_model_version_tag(self._policy, intent.target, FORCED, intent.reason)
        if all(entry.facts.get("intent") != intent.run_id for entry in audit.read(self._audit)):
            now = self.version(intent.target)
            known = self.trust.known(now)
            facts = {"round": now.round, "digest": known.digest, "run": now.run_id, "intent": intent.run_id}
            if not known.verified:
                facts[DIGEST_FROM] = known.source
            move = {"model": "policy", "left": intent.left, "now": intent.target, "reason": intent.reason}
            audit.append(self._audit, intent.kind, intent.who, **move, **facts)
        self._journal.settle(intent, "committed")

    def _refuse_never_champion(self, version: str) -> None:
        if not self._was_champion(version):
            raise NeverChampion(
                f"policy version {version} was never champion, so it cannot be rolled back to; promote it with "
                f"`rounds promote {version} --reason …`"
            )

    def _refuse_rolled_back(self, target: ModelVersion) -> None:
        reason = self.rolled_back(target)
        if reason is not None:
            raise RolledBack(
                f"policy version {target.version} was rolled back earlier ({reason}); name another version, or promote "
                f"it anyway with `rounds promote {target.version} --force --reason …`"
            )

    def _refuse_unverified(self, policy: ModelVersion, allowed: bool) -> None:
        for version, verified in self._compare(policy):
            if not verified and not allowed:
                raise Unverified(
                    f"{version.name} version {version.version} is not in this workspace's audit log, and no trusted "
                    "key signed its digest: another machine or an older release registered it. Take the versions of an "
                    "older release into the log with `rounds adopt --reason …`, or promote it unverified: "
                    f"`rounds promote {policy.version} --unverified --reason …`"
                )

    def _compare(self, policy: ModelVersion, with_files: bool = False) -> list[tuple[ModelVersion, bool]]:
        """Compare a policy and its reward model with what is known; True for those that are verified.

        The files are compared as well if a tag differs from what is known, and, with `with_files`, where they are on
        this machine. Elsewhere they are compared when they are fetched: a rollback must not wait for a download.
        """
        reward = self.trust.reward_version(policy)
        found = [policy, self.find(reward, "reward") if reward else None]
        versions = [version for version in found if version is not None]
        compared = []
        for version in versions:
            known = self.trust.known(version)
            self.trust.report(version, known)
            if version.digest != known.digest or (with_files and self.has_local_files(version)):
                self.check_files(version)
            compared.append((version, known.verified))
        return compared

    def _refuse_while_cooling(self, version: str, cooldown: float) -> None:
        if cooling := self.cooling(cooldown):
            raise CoolingDown(f"{cooling}; to promote it manually: `rounds promote {version} --reason …`")
