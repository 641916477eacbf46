"""Lineage: how versions, runs, rounds, data, annotators and commits belong together.

The round joins them: a query is resolved to the rounds that it belongs to, and each round lists everything else.
Everything except the annotators is in MLflow; those are in the feedback of the workspace.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from core.errors import NotFound
from core.stored import Json
from feedback.annotators import AnnotatorActivity, activity
from tasks.registry import consistency
from tasks.registry import incidents as log
from tasks.registry.alias import Registry
from tasks.registry.archive import (
    FEEDBACK_PURGED,
    REWARD_SERVER,
    SAMPLER_TAG,
    Archive,
    PastRound,
    StepOutput,
    matches_prefix,
)
from tasks.registry.bases import ADAPTER_TAG, DIGEST_TAG
from tasks.registry.consistency import Disagreement
from tasks.registry.incidents import Incident
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.state import records
from tasks.state.line import POLICY, ModelLine
from tasks.state.workspace import Workspace

KINDS = ("version", "run", "round", "data", "annotator", "commit")
"""What a query can name; `kind:NAME` searches one of them only."""


class History(NamedTuple):
    """Everything that MLflow and the workspace have on record, read once."""

    rounds: Sequence[PastRound]
    """Oldest first."""
    versions: Sequence[ModelVersion]
    champion: str | None
    """The current champion, by version number."""
    feedback: Sequence[AnnotatorActivity]
    """Feedback in this workspace."""
    votes: Sequence[AnnotatorActivity]
    """Fresh votes in this workspace."""
    local_keys: Collection[str]
    """Keys of the rounds that ran in this workspace. It holds no feedback of other rounds in the same MLflow."""
    parents_of: Callable[[str], set[str]]
    """Prefix of the run id of a step → run ids of its rounds."""
    incidents: Sequence[Incident] = ()
    """Incidents in the audit log of this workspace."""
    line: ModelLine = POLICY
    """The line that all of this is about."""
    rollback_of: Callable[[ModelVersion], str | None] = lambda version: version.tags.get("rolled_back")
    """Version of the policy → the reason of its rollback; by default by its tag."""
    reward_of: Callable[[ModelVersion], str | None] = lambda version: version.tags.get("reward_version")
    """Version of the policy → the reward model that it was trained with; by default by its tag."""
    disagreements: Sequence[Disagreement] = ()
    """Differences between log, records and registry, where the log is at hand."""


class Contributors(NamedTuple):
    """The annotators whose feedback a round was trained on, and those whose fresh votes it used."""

    feedback: tuple[AnnotatorActivity, ...]
    votes: tuple[AnnotatorActivity, ...]

    def renamed(self, names: Mapping[str, str]) -> "Contributors":
        """The same with each annotator renamed."""
        renamed = (tuple(entry._replace(annotator=names[entry.annotator]) for entry in side) for side in self)
        return Contributors(*renamed)

    def to_json(self) -> Json:
        """As plain values."""
        return {kind: [entry._asdict() for entry in side] for kind, side in self._asdict().items()}


class AnnotatorHistory(NamedTuple):
    """All feedback and votes of one annotator."""

    name: str
    people: Contributors


class VersionIncident(NamedTuple):
    """An incident about a version."""

    number: int
    open: bool
    what: str


class RegisteredVersion(NamedTuple):
    """A version that a round registered."""

    version: str
    """`policy/3`"""
    digest: str
    champion: bool
    incidents: tuple[VersionIncident, ...] | None
    """None for a reward model: incidents are opened for versions of the policy only."""
    reward_version: str | None
    rolled_back: str | None
    """The reason of the rollback, if it was rolled back."""
    base: str | None = None
    """Digest of the base model that its round started from; None for a new model."""
    adapter: bool = False
    """Whether it is an adapter of its base, so that it cannot be loaded without it."""

    def to_json(self) -> Json:
        """As plain values; fields that do not apply are left out."""
        left_out = {"adapter"} if self.base is None else set()
        values = {name: value for name, value in self._asdict().items() if value is not None and name not in left_out}
        return (
            values
            if self.incidents is None
            else values | {"incidents": [incident._asdict() for incident in self.incidents]}
        )


class ParentRound(NamedTuple):
    """The round before."""

    round: int | None
    """None if MLflow no longer has that round."""
    key: str


class TracedRound(NamedTuple):
    """A round, and everything that belongs to it."""

    round: int
    key: str
    verdict: str
    run: str
    started: str
    """UTC time, ISO 8601."""
    commit: str | None
    dirty: bool
    code: str | None
    parent: ParentRound | None
    champion: str | None
    versions: tuple[RegisteredVersion, ...]
    data: tuple[StepOutput, ...]
    people: Contributors
    followed_by: tuple[int, ...]
    purged: str | None = None
    """When, and by whom, feedback that it read was purged: it cannot be replayed."""
    reward_server: str | None = None
    """The server whose scores its policy was trained on, with what it stated; None if there was none."""
    sampler: str | None = None
    """The server that sampled its answers, with its version; None if the round's own process did."""

    def to_json(self) -> Json:
        """As plain values; `purged`, `reward_server` and `sampler` only where there is one."""
        values = self._asdict() | {
            "parent": self.parent._asdict() if self.parent else None,
            "versions": [version.to_json() for version in self.versions],
            "data": [output._asdict() for output in self.data],
            **self.people.to_json(),
            "followed_by": list(self.followed_by),
        }
        optional = ("purged", "reward_server", "sampler")
        left_out = {"people", *(name for name in optional if values[name] is None)}
        return {name: value for name, value in values.items() if name not in left_out}


class Lineage(NamedTuple):
    """The answer to a query: what it names, and the rounds that it belongs to."""

    query: str
    kinds: tuple[str, ...]
    """Of `KINDS`."""
    annotator: AnnotatorHistory | None
    rounds: tuple[TracedRound, ...]
    disagreements: tuple[Disagreement, ...] = ()
    """Differences between log, records and registry: part of the lineage may be wrong."""

    def to_json(self) -> Json:
        """As plain values; `annotator` only if the query names one, `disagreements` only if there are any."""
        annotator = self.annotator
        extra: Json = {"annotator": {"name": annotator.name, **annotator.people.to_json()}} if annotator else {}
        if self.disagreements:
            extra["disagreements"] = [str(difference) for difference in self.disagreements]
        return {
            "asked": self.query,
            "is": list(self.kinds),
            **extra,
            "rounds": [traced.to_json() for traced in self.rounds],
        }


def survey(workspace: Workspace, line: ModelLine | None = None) -> History:
    """Read everything that MLflow and the workspace have on record about a line, by default the workspace's."""
    registry, archive = Registry(workspace.root, line), Archive(workspace.root, line)
    return History(
        rounds=archive.rounds(),
        versions=[*registry.versions("policy"), *registry.versions("reward")],
        champion=registry.alias(),
        feedback=activity(workspace.feedback),
        votes=activity(workspace.votes),
        local_keys=records.keys(workspace),
        parents_of=archive.parents_of,
        incidents=log.every(workspace.audit),
        line=registry.line,
        rollback_of=registry.recorded_rollback,
        reward_of=registry.trust.reward_version,
        disagreements=consistency.inspect(workspace, registry) if workspace.audit.exists() else (),
    )


def lineage(history: History, query: str) -> Lineage:
    """What the query names, and everything that belongs to it.

    Args:
        history: see `survey`.
        query: `policy@champion`, `policy/3`, a round's number or key, a run id, the hash of data, weights or a base
            model, a git commit, an annotator; hexadecimal names by at least their first six digits.

    Raises:
        NotFound: nothing has that name.
    """
    name = history.line.unprefixed(query.removeprefix("models:/"))
    kind, _, identity = name.rpartition(":")
    kinds = (kind,) if kind in KINDS else KINDS
    identity = identity if kind in KINDS else name
    matches = {kind: runs for kind in kinds if (runs := _RUNS_OF[kind](history, identity))}
    if not matches:
        raise NotFound(
            f"nothing is named {query!r}: no {', '.join(kinds)}. Name a version as policy/3 or policy@champion, and a "
            "hexadecimal name by six digits or more; annotators are searched in the feedback of this workspace only"
        )
    runs = set().union(*matches.values())
    traced = tuple(_round(history, past) for past in history.rounds if past.run_id in runs)
    annotator = (
        AnnotatorHistory(identity, _people(history, lambda entry: entry.annotator == identity))
        if "annotator" in matches
        else None
    )
    return Lineage(query, tuple(matches), annotator, traced, tuple(history.disagreements))


def _of_version(history: History, name: str) -> set[str]:
    name = f"policy/{history.champion}" if name == f"policy@{CHAMPION}" else name
    return {version.run_id for version in history.versions if _title(version) == name}


def _of_run(history: History, name: str) -> set[str]:
    steps = history.parents_of(name)
    return {past.run_id for past in history.rounds if matches_prefix(past.run_id, name) or past.run_id in steps}


def _of_round(history: History, name: str) -> set[str]:
    return {past.run_id for past in history.rounds if str(past.number) == name or matches_prefix(past.key, name)}


def _of_data(history: History, name: str) -> set[str]:
    written = {
        past.run_id for past in history.rounds if any(matches_prefix(output.md5, name) for output in past.outputs)
    }
    return written | {
        version.run_id
        for version in history.versions
        if matches_prefix(version.digest, name) or matches_prefix(version.tags.get(DIGEST_TAG, ""), name)
    }


def _of_commit(history: History, name: str) -> set[str]:
    return {past.run_id for past in history.rounds if matches_prefix(past.tags.get("git_commit", ""), name)}


def _of_annotator(history: History, name: str) -> set[str]:
    """The rounds trained on feedback of the annotator (from the first that took any in), and those with their votes."""
    first = min((entry.round for entry in history.feedback if entry.annotator == name), default=None)
    voted = {entry.round for entry in history.votes if entry.annotator == name}
    return {
        past.run_id
        for past in history.rounds
        if past.key in history.local_keys and (past.number in voted or (first is not None and past.number >= first))
    }


_RUNS_OF: dict[str, Callable[[History, str], set[str]]] = {
    "version": _of_version,
    "run": _of_run,
    "round": _of_round,
    "data": _of_data,
    "annotator": _of_annotator,
    "commit": _of_commit,
}


def _round(history: History, past: PastRound) -> TracedRound:
    registered = [version for version in history.versions if version.run_id == past.run_id]
    is_local = past.key in history.local_keys
    return TracedRound(
        round=past.number,
        key=past.key,
        verdict=past.verdict or "unfinished",
        run=past.run_id,
        started=past.started.isoformat(timespec="seconds"),
        commit=past.tags.get("git_commit"),
        dirty=past.tags.get("git_dirty") == "true",
        code=past.tags.get("code"),
        parent=_parent(history, past),
        champion=_unless_none(past.tags.get("champion"), "policy/"),
        versions=tuple(_version(history, version) for version in registered),
        data=tuple(sorted(past.outputs)),
        people=_people(
            history,
            lambda entry: is_local and entry.round <= past.number,
            lambda entry: is_local and entry.round == past.number,
        ),
        followed_by=tuple(_followers(history, past, registered)),
        purged=past.tags.get(FEEDBACK_PURGED),
        reward_server=past.tags.get(REWARD_SERVER),
        sampler=past.tags.get(SAMPLER_TAG),
    )


def _version(history: History, version: ModelVersion) -> RegisteredVersion:
    is_policy = version.name == "policy"
    about = (incident for incident in history.incidents if incident.version == version.version)
    return RegisteredVersion(
        version=_title(version),
        digest=version.digest,
        champion=is_policy and version.version == history.champion,
        incidents=tuple(VersionIncident(incident.number, incident.open, incident.what) for incident in about)
        if is_policy
        else None,
        reward_version=history.reward_of(version) if is_policy else None,
        rolled_back=history.rollback_of(version) if is_policy else None,
        base=version.tags.get(DIGEST_TAG),
        adapter=ADAPTER_TAG in version.tags,
    )


def _parent(history: History, past: PastRound) -> ParentRound | None:
    key = _unless_none(past.tags.get("parent"))
    if key is None:
        return None
    return ParentRound(next((other.number for other in history.rounds if other.key == key), None), key)


def _followers(history: History, past: PastRound, registered: Iterable[ModelVersion]) -> list[int]:
    """Rounds that directly follow this one, or whose champion this round registered."""
    policies = {version.version for version in registered if version.name == "policy"}
    return sorted(
        {
            other.number
            for other in history.rounds
            if past.key == other.tags.get("parent") or other.tags.get("champion") in policies
        }
    )


def _people(
    history: History,
    gave_feedback: Callable[[AnnotatorActivity], bool],
    gave_votes: Callable[[AnnotatorActivity], bool] | None = None,
) -> Contributors:
    """The contributors whose entries match: by `gave_feedback`, and by `gave_votes` (default: the same)."""
    return Contributors(
        feedback=tuple(entry for entry in history.feedback if gave_feedback(entry)),
        votes=tuple(entry for entry in history.votes if (gave_votes or gave_feedback)(entry)),
    )


def _unless_none(value: str | None, prefix: str = "") -> str | None:
    return None if value in (None, "none") else f"{prefix}{value}"


def _title(version: ModelVersion) -> str:
    return f"{version.name}/{version.version}"
