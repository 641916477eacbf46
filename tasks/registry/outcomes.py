"""What became of versions: which were champion, and which were rolled back, forced or rejected.

The workspace's audit log decides about the versions that its own rounds registered, together with the copies of other
logs, whose workspaces may have moved the champion. The journal and the tags in MLflow are hints: they are asked only
about versions that the log does not know.
"""

from pathlib import Path

from tasks.registry.journal import Journal
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.state.line import ModelLine

FORCED = "forced"
"""Tag of a version that a person promoted although it was rejected or rolled back; the value is their reason."""


class VersionOutcomes(VersionStore):
    """The registered versions of a line's models, and what became of each version of the policy."""

    def __init__(self, root: Path, line: ModelLine | None = None) -> None:
        super().__init__(root, line)
        self._journal = Journal(self)

    def last_champion(self) -> str | None:
        """The version that the last known move of the alias went to; None if there was none."""
        return next(iter(self.champions()), None)

    def champions(self) -> list[str]:
        """The versions that were ever champion, the present one included: by the audit log, newest first, then others.

        Of a version that a round of this workspace registered, moves that MLflow's journal alone has do not count.
        """
        log, mirror = self.trust.log(), self.trust.elsewhere(signed=False)
        hints = [version for version in self._journal.targets() if not log.of_own_round(version)]
        return list(dict.fromkeys([*reversed(log.champions), *reversed(mirror.champions), *hints]))

    def journalled(self) -> tuple[frozenset[str], frozenset[str]]:
        """By MLflow's journal: the versions that were champion, and those of moves that a kill left open."""
        moving = {version for move in self._journal.open() for version in (move.left, move.target)}
        return frozenset(self._journal.targets()), frozenset(moving)

    def former_champions(self) -> list[str]:
        """Former champions that can be promoted again without `--force`, newest first."""
        known = {version.version: version for version in self.versions("policy")}
        former = [known[name] for name in self.champions() if name in known]
        return [each.version for each in former if self.rolled_back(each) is None and not self.rejected(each)]

    def predecessor(self, champion: ModelVersion) -> str | None:
        """The version that the champion replaced; None if there is none.

        The audit log decides, then the mirror. The tag `rollback_to` is a hint for a move that neither has.
        """
        version, log = champion.version, self.trust.log()
        for known in (log, self.trust.elsewhere(signed=False)) if version not in log.predecessors else (log,):
            if version in known.predecessors:
                return known.predecessors[version] or None
        hint = champion.tags.get("rollback_to")
        return hint if hint and self._was_champion(hint) else log.found_after.get(version)

    def forced(self, version: ModelVersion) -> str | None:
        """The reason if a person promoted the version with `--force`, by the log where it knows, else by the tag."""
        log = self.trust.log()
        return log.forced.get(version.version) if version.version in log.predecessors else version.tags.get(FORCED)

    def rolled_back(self, version: ModelVersion) -> str | None:
        """The reason why the version may not be promoted: it was rolled back by its tag, the log, or the mirror.

        Anybody who can write to MLflow can thereby have a version refused. `recorded_rollback` is what happened.
        """
        return version.tags.get("rolled_back", self.recorded_rollback(version))

    def recorded_rollback(self, version: ModelVersion) -> str | None:
        """The reason of the version's rollback by the log, or by the mirror; None if it was not rolled back.

        The tag counts only for a version that no round of this workspace registered.
        """
        log, mirror, number = self.trust.log(), self.trust.elsewhere(signed=False), version.version
        reason = log.rolled_back.get(number)
        if reason is None and (number not in log.forced or number in mirror.forced):  # else it lacks the newer line
            reason = mirror.rolled_back.get(number)
        if reason is None and not log.of_own_round(number):
            reason = version.tags.get("rolled_back")
        return reason

    def rejected(self, version: ModelVersion) -> bool:
        """True if the gates rejected the version: by its tag, the log, or the mirror if another machine registered it.

        Anybody who can write to MLflow can thereby have a version refused, but none accepted.
        """
        if version.tags.get("verdict") == "reject":
            return True
        log = self.trust.log()
        logged = log.versions.get(("policy", version.version))
        known = log if logged and logged.registered else self.trust.elsewhere(signed=False)
        return known.rejected(version.version)

    def _was_champion(self, version: str) -> bool:
        """True if the log has such a move, also one by hand. Only for a version that this log does not know as
        rejected, moves count that the mirror alone has; those that the journal alone has, only if no round of this
        workspace registered the version."""
        log = self.trust.log()
        if version in log.champions:
            return True
        if log.rejected(version):
            return False
        if version in self.trust.elsewhere(signed=True).champions:
            return True
        hinted = not log.of_own_round(version) and self._journal.reached(version)
        if version in self.trust.elsewhere(signed=False).champions or hinted:
            self.trust.warn(f"that policy version {version} was champion is unverified: only MLflow has the move")
            return True
        return False
