"""Whether audit log, records of rounds, and registry agree, and what to do if they do not.

They disagree if the registry or `data/` was restored from an older copy, or if somebody deleted a version or the alias
by hand, or edited the log. A round that was killed at any point leaves them in agreement.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from core.errors import BadWorkspace, Damaged
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.registry.ledger import Ledger, ledger
from tasks.registry.mirror import MirroredLine, identity
from tasks.registry.versions import ModelVersion
from tasks.state import records
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace

Severity = Literal["error", "warning"]

ACCEPT_CURE = "accept the difference: `rounds audit accept --reason …`"
RESTORE_CURE = "restore MLflow's database and artifacts from a newer backup (`rounds restore FROM --replace`)"
DATA_CURE = "restore data/ from a newer backup (`rounds restore FROM --replace`)"
LOG_CURE = (
    "write the lines of the copy in MLflow back: `rounds audit restore`, or, where no key signs, "
    "`rounds audit restore --unverified`"
)

_logger = logging.getLogger(__name__)


class Inconsistent(BadWorkspace):
    """Audit log, records and registry contradict each other."""


class Disagreement(NamedTuple):
    """One disagreement."""

    severity: Severity
    """A round is refused on errors; warnings are only printed."""
    identity: str
    """The same difference has the same identity at each check."""
    problem: str
    cures: tuple[str, ...] = ()
    """Alternatives, each a command or what to restore."""
    gone: str | None = None
    """The version that the registry no longer has as the log knows it, as `policy/3`; None for other differences."""

    def __str__(self) -> str:
        return f"{self.problem}; {'; or '.join(self.cures)}" if self.cures else self.problem


@dataclass(frozen=True)
class RegistryState:
    """What the registry has."""

    versions: tuple[ModelVersion, ...]
    """Of both models."""
    alias: str | None
    promoted: frozenset[str] = frozenset()
    """The versions of the policy that were champion by MLflow's journal; empty if it was not read."""
    moving: frozenset[str] = frozenset()
    """The versions of a move that a kill left open: what is known of them is settled by the next command."""

    def newest(self, model: str) -> int:
        """The highest version number of a model; 0 without versions."""
        return self._newest.get(model, 0)

    def find(self, model: str, version: str) -> ModelVersion | None:
        """One version; None if it is missing."""
        return self._named.get((model, version))

    @cached_property
    def _named(self) -> dict[tuple[str, str], ModelVersion]:
        return {(version.name, version.version): version for version in self.versions}

    @cached_property
    def _newest(self) -> dict[str, int]:
        newest: dict[str, int] = {}
        for version in self.versions:
            newest[version.name] = max(int(version.version), newest.get(version.name, 0))
        return newest


class Recorded(NamedTuple):
    """What the workspace has on record."""

    log: Ledger
    problems: tuple[str, ...]
    """Problems of the log itself, one sentence each."""
    lacking: tuple[MirroredLine, ...]
    """Lines of this workspace that only the mirror has."""
    rounds: tuple[RoundRecord, ...]
    open: str | None
    """Key of the open round; None if no round is open."""
    elsewhere: Ledger | None = None
    """What the copies of all workspaces' logs in MLflow state; None if they were not read."""


def compare(recorded: Recorded, registry: RegistryState) -> list[Disagreement]:
    """All differences that nobody accepted, the causes before their consequences."""
    found = [
        *_log(recorded),
        *_missing(recorded, registry),
        *_reused(recorded, registry),
        *_given_twice(recorded.log),
        *_alias(recorded.log, registry),
        *_unknown_champion(recorded, registry),
        *_tags(recorded.log, registry),
        *_hints(recorded, registry),
        *_lost_records(recorded),
        *_round_twice(registry),
    ]
    return [difference for difference in found if difference.identity not in recorded.log.accepted]


def inspect(
    workspace: Workspace, registry: Registry, lacking: Sequence[MirroredLine] | None = None
) -> list[Disagreement]:
    """Compare a workspace with its registry. Nothing is written.

    Args:
        workspace: the workspace.
        registry: its registry.
        lacking: lines that only the mirror has, where they are known already; None reads the mirror.
    """
    missing = registry.mirror.ahead() if lacking is None else lacking
    versions = (*registry.versions("policy"), *registry.versions("reward"))
    known = recorded(workspace, missing)._replace(elsewhere=registry.trust.elsewhere(signed=False))
    return compare(known, RegistryState(versions, registry.alias(), *registry.journalled()))


def refuse(workspace: Workspace, registry: Registry) -> None:
    """Log all warnings; called when a round opens, after `Registry.reconcile`.

    Raises:
        Inconsistent: there is an error, with the commands that cure it.
    """
    differences = inspect(workspace, registry, registry.lacking)
    for difference in warnings(differences):
        registry.trust.warn(str(difference))
    if found := errors(differences):
        raise Inconsistent("\n".join(found))


def errors(differences: Iterable[Disagreement]) -> list[str]:
    """The errors among differences, one text each."""
    return [str(difference) for difference in differences if difference.severity == "error"]


def warnings(differences: Iterable[Disagreement]) -> list[Disagreement]:
    """The differences that do not stop a round."""
    return [difference for difference in differences if difference.severity == "warning"]


def recorded(workspace: Workspace, lacking: Sequence[MirroredLine]) -> Recorded:
    """What the workspace has on record; `lacking` are the lines that only the mirror has.

    Raises:
        Damaged: a record or the audit log's side file cannot be read.
    """
    rounds = _rounds(workspace)
    return Recorded(
        log=ledger(audit.read(workspace.audit)),
        problems=tuple(problems(workspace, rounds)),
        lacking=tuple(lacking),
        rounds=rounds,
        open=_open_key(workspace, rounds),
    )


def problems(workspace: Workspace, rounds: Sequence[RoundRecord] | None = None) -> list[str]:
    """The problems of the log itself: see `audit.verify`. The records of rounds are read unless they are given."""
    try:
        found = audit.verify(workspace.audit)
        return [*found, *audit.missing(workspace, _rounds(workspace) if rounds is None else rounds)]
    except Damaged as error:
        return [str(error)]


def _rounds(workspace: Workspace) -> tuple[RoundRecord, ...]:
    return tuple(records.read(workspace, number) for number in records.numbers(workspace))


def _log(recorded: Recorded) -> Iterator[Disagreement]:
    for problem in recorded.problems:
        name = problem.rpartition("/")[2]  # without the folder: a moved workspace has the same differences
        yield Disagreement("error", f"log:{name}", problem, (LOG_CURE, DATA_CURE, ACCEPT_CURE))
    if recorded.lacking and not recorded.problems:
        first = recorded.lacking[0]
        yield Disagreement(
            "error",
            identity(first),
            f"the audit log lacks {len(recorded.lacking)} lines that this workspace sent to MLflow, the first is line "
            f"{first.seq}: data/ was restored from an older copy, the log was cut, or a copy of this workspace is used",
            (DATA_CURE, LOG_CURE, ACCEPT_CURE),
        )


def _missing(recorded: Recorded, registry: RegistryState) -> Iterator[Disagreement]:
    known = {(version.model, version.version): version.round for version in recorded.log.versions.values()}
    for record in recorded.rounds:
        known.setdefault(("policy", record.version), record.number)
    older = {name for name in known if not registry.find(*name) and int(name[1]) > registry.newest(name[0])}
    for model, version in sorted(known, key=lambda name: (name[0], int(name[1]))):
        if registry.find(model, version):
            continue
        title = f"{model}/{version}"
        if (model, version) in older:
            yield Disagreement(
                "error",
                f"missing:{title}",
                f"{model} version {version} of round {known[model, version]} was registered, and the registry does not "
                "have it: the registry was restored from an older copy, is another one (MLFLOW_TRACKING_URI), or the "
                "version was deleted",
                (RESTORE_CURE, f"if it was deleted on purpose, {ACCEPT_CURE}"),
                title,
            )
        else:
            deleted = f"{model} version {version} of round {known[model, version]} was deleted in MLflow"
            yield Disagreement("warning", f"missing:{title}", deleted, (ACCEPT_CURE,), title)


def _reused(recorded: Recorded, registry: RegistryState) -> Iterator[Disagreement]:
    for (model, number), logged in recorded.log.versions.items():
        version = registry.find(model, number)
        if version is not None and version.digest != logged.digest:
            yield Disagreement(
                "error",
                f"digest:{model}/{number}:{version.digest[:16]}",
                f"{model} version {number} has the digest {version.digest[:12]}… in MLflow, and {logged.digest[:12]}… "
                f"in line {logged.seq} of the audit log: its tag was edited, or a new registry gave the number again",
                (RESTORE_CURE, f"{ACCEPT_CURE}, then `rounds adopt --reason …`"),
                f"{model}/{number}",
            )


def _given_twice(log: Ledger) -> Iterator[Disagreement]:
    """Numbers that MLflow gave again to another version, after the log had the first one."""
    for before, after in log.reused:
        title = f"{after.model}/{after.version}"
        yield Disagreement(
            "warning",
            f"reused:{title}:{before.digest[:16]}",
            f"{after.model} version {after.version} is of round {before.round} by line {before.seq} of the audit log, "
            f"and of round {after.round} by line {after.seq}: MLflow was restored from an older copy in between, and "
            "no longer has the first one",
            (ACCEPT_CURE,),
        )


def _alias(log: Ledger, registry: RegistryState) -> Iterator[Disagreement]:
    if not log.champions:
        return
    version = _successor(log, registry)
    way = f"make version {version} champion: `rounds promote {version} --reason …`" if version else RESTORE_CURE
    if registry.alias is None:
        yield Disagreement(
            "error",
            "alias:unset",
            f"policy@champion is unset, although version {next(reversed(log.champions))} was champion: the alias or "
            "the version was deleted in MLflow",
            (way,),
        )
    elif registry.find("policy", registry.alias) is None:
        yield Disagreement(
            "error",
            f"alias:{registry.alias}",
            f"policy@champion points to version {registry.alias}, which no round registered",
            (way,),
        )
    elif log.rejected(registry.alias) and registry.alias not in log.forced:
        yield Disagreement(
            "warning",
            f"alias:{registry.alias}",
            f"policy@champion points to version {registry.alias}, which the gates rejected and nobody promoted with "
            "--force: the alias was set in MLflow",
            (way, ACCEPT_CURE),
        )


def _unknown_champion(recorded: Recorded, registry: RegistryState) -> Iterator[Disagreement]:
    """A champion that no log and no record knows: somebody may have made the version in MLflow."""
    version = registry.find("policy", registry.alias) if registry.alias else None
    if recorded.elsewhere is None or version is None or not (recorded.log.versions or recorded.rounds):
        return
    own = {version.version for version in recorded.log.versions.values() if version.model == "policy"}
    known = own | {record.version for record in recorded.rounds}
    if version.version not in known and ("policy", version.version) not in recorded.elsewhere.versions:
        way = _successor(recorded.log, registry)
        yield Disagreement(
            "warning",
            f"unknown:policy/{version.version}:{version.digest[:16]}",
            f"policy@champion points to version {version.version}, which no audit log and no record knows: somebody "
            "made it in MLflow, or a machine that could not send its log registered it",
            (f"make version {way} champion: `rounds promote {way} --reason …`", ACCEPT_CURE) if way else (ACCEPT_CURE,),
        )


def _tags(log: Ledger, registry: RegistryState) -> Iterator[Disagreement]:
    """Tags of a version that say something else than the log; the log decides."""
    for (model, number), logged in log.versions.items():
        version = registry.find(model, number)
        if version is None or version.digest != logged.digest:  # `_reused` names another version of that number
            continue
        if logged.round is not None and logged.round != version.round:
            yield Disagreement(
                "warning",
                f"round:{model}/{number}:{version.round}",
                f"{model} version {number} is of round {logged.round} by the audit log, and of round {version.round} "
                "by its tag in MLflow, which was edited",
                (ACCEPT_CURE,),
            )
        if logged.verdict == "reject" and version.tags.get("verdict", "reject") != "reject":
            yield Disagreement(
                "warning",
                f"verdict:{model}/{number}",
                f"{model} version {number} was rejected by the gates, and its tag in MLflow says "
                f"{version.tags['verdict']}: it was edited",
                (ACCEPT_CURE,),
            )


def _hints(recorded: Recorded, registry: RegistryState) -> Iterator[Disagreement]:
    """Promotions and rollbacks that MLflow has, and no log: status and lineage show what the log has."""
    log, elsewhere = recorded.log, recorded.elsewhere
    if elsewhere is None:
        return
    unlogged = registry.promoted - log.champions.keys() - elsewhere.champions.keys()
    for version in registry.versions:
        if version.name == "policy" and log.of_own_round(version.version) and version.version not in registry.moving:
            yield from _hints_of(version, log, elsewhere, unlogged)


def _hints_of(
    version: ModelVersion, log: Ledger, elsewhere: Ledger, unlogged: Collection[str]
) -> Iterator[Disagreement]:
    number = version.version
    if number in unlogged:
        yield _hint(
            version, "journal", "was promoted by MLflow's journal, and no audit log has this: somebody wrote it"
        )
    tagged, own, other = "rolled_back" in version.tags, number in log.rolled_back, number in elsewhere.rolled_back
    if tagged and not (own or other):
        yield _hint(
            version, "rolled_back", "has the tag rolled_back, and no audit log has a rollback: it was set by hand"
        )
    elif not tagged and own and other:
        yield _hint(version, "no_rollback", "was rolled back by the audit log, and its tag rolled_back was deleted")


def _hint(version: ModelVersion, kind: str, problem: str) -> Disagreement:
    title = f"policy version {version.version}"
    identity = f"{kind}:policy/{version.version}"
    return Disagreement("warning", identity, f"{title} {problem} in MLflow", (ACCEPT_CURE,))


def _successor(log: Ledger, registry: RegistryState) -> str | None:
    """The version to make champion: the last champion that exists and was neither rolled back nor rejected."""
    for version in reversed(log.champions):
        bad = version in log.rolled_back or (log.rejected(version) and version not in log.forced)
        if registry.find("policy", version) and not bad:
            return version
    return None


def _lost_records(recorded: Recorded) -> Iterator[Disagreement]:
    known = {record.key for record in recorded.rounds} | recorded.log.dropped | {recorded.open}
    lost = {v.key: v.round for v in recorded.log.versions.values() if v.key and v.key not in known and v.registered}
    for key, number in lost.items():
        yield Disagreement(
            "error",
            f"record:{key}",
            f"round {number} registered versions, and data/rounds has no record of it: data/ was restored from an "
            "older copy, so that feedback may be missing too",
            (DATA_CURE, ACCEPT_CURE),
        )


def _round_twice(registry: RegistryState) -> Iterator[Disagreement]:
    rounds: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for version in registry.versions:
        rounds[version.name, version.round].setdefault(version.tags["round_key"], version.version)
    for (model, number), keys in sorted(rounds.items()):
        if len(keys) > 1:
            versions = sorted(keys.values(), key=int)
            yield Disagreement(
                "warning",
                f"twice:{model}:{number}:{'+'.join(versions)}",
                f"{model} versions {' and '.join(versions)} are of two different rounds with the number {number}; name "
                "them by version or by key",
                (ACCEPT_CURE,),
            )


def _open_key(workspace: Workspace, rounds: Sequence[RoundRecord]) -> str | None:
    with suppress(Damaged, OSError):
        opened = records.opened_key(workspace)
        return None if opened in {record.key for record in rounds} else opened
    return None
