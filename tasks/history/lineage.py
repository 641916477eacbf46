"""Where a model came from and what became of a piece of data: versions, runs, rounds, data, annotators, commits.

The round joins them all. Whatever is asked for is traced to the rounds that it belongs to, and each round tells the
rest. Everything but the annotators is in MLflow; those are in the feedback of the workspace.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from core.stored import Json
from feedback.annotators import AnnotatorActivity, activity
from tasks.registry import incidents as log
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive, NotFound, PastRound, StepOutput, matches_prefix
from tasks.registry.incidents import Incident
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.state import records
from tasks.state.workspace import Workspace

KINDS = ("version", "run", "round", "data", "annotator", "commit")
"""What can be asked for; `kind:NAME` asks for one of them only."""


class History(NamedTuple):
    """All that is known, read once."""

    rounds: Sequence[PastRound]
    """Oldest first."""
    versions: Sequence[ModelVersion]
    champion: str | None
    """The version of the policy that is in use."""
    spoken: Sequence[AnnotatorActivity]
    """Feedback in this workspace."""
    voted: Sequence[AnnotatorActivity]
    """Fresh votes in this workspace."""
    here: Collection[str]
    """Keys of the rounds that ran in this workspace: of others that share its MLflow it holds no feedback."""
    step_run: Callable[[str], set[str]]
    """How run ids of steps begin → run ids of their rounds."""
    incidents: Sequence[Incident] = ()
    """In the audit log of this workspace."""


class People(NamedTuple):
    """Whose feedback was learned from, and whose votes decided."""

    feedback: tuple[AnnotatorActivity, ...]
    votes: tuple[AnnotatorActivity, ...]

    def renamed(self, names: Mapping[str, str]) -> "People":
        """The same with other names in place of the annotators'."""
        sides = (tuple(one._replace(annotator=names[one.annotator]) for one in side) for side in self)
        return People(*sides)

    def to_json(self) -> Json:
        """As plain values."""
        return {kind: [one._asdict() for one in side] for kind, side in self._asdict().items()}


class Annotator(NamedTuple):
    """All that one annotator said."""

    name: str
    people: People


class About(NamedTuple):
    """An incident about a version."""

    number: int
    open: bool
    what: str


class Registered(NamedTuple):
    """A version that a round registered."""

    version: str
    """`policy/3`"""
    digest: str
    champion: bool
    incidents: tuple[About, ...] | None
    """None of a reward model, which nobody opens incidents about."""
    reward_version: str | None
    rolled_back: str | None
    """Why it was rolled away from."""

    def to_json(self) -> Json:
        """As plain values; what does not apply is left out."""
        told = {name: value for name, value in self._asdict().items() if value is not None}
        return told if self.incidents is None else told | {"incidents": [one._asdict() for one in self.incidents]}


class Parent(NamedTuple):
    """The round before."""

    round: int | None
    """None where nobody knows it any more."""
    key: str


class Traced(NamedTuple):
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
    parent: Parent | None
    champion: str | None
    versions: tuple[Registered, ...]
    data: tuple[StepOutput, ...]
    people: People
    followed_by: tuple[int, ...]

    def to_json(self) -> Json:
        """As plain values."""
        told = self._asdict() | {
            "parent": self.parent._asdict() if self.parent else None,
            "versions": [version.to_json() for version in self.versions],
            "data": [output._asdict() for output in self.data],
            **self.people.to_json(),
            "followed_by": list(self.followed_by),
        }
        return {name: value for name, value in told.items() if name != "people"}


class Lineage(NamedTuple):
    """What was asked for is, and everything that belongs to it."""

    asked: str
    kinds: tuple[str, ...]
    """Of `KINDS`."""
    annotator: Annotator | None
    rounds: tuple[Traced, ...]

    def to_json(self) -> Json:
        """As plain values; an annotator only where one was asked for."""
        one = self.annotator
        told = {"annotator": {"name": one.name, **one.people.to_json()}} if one else {}
        return {"asked": self.asked, "is": list(self.kinds), **told, "rounds": [past.to_json() for past in self.rounds]}


def survey(workspace: Workspace) -> History:
    """All that MLflow and the workspace know."""
    registry, archive = Registry(workspace.root), Archive(workspace.root)
    champion = registry.champion()
    return History(
        rounds=archive.rounds(),
        versions=[*registry.versions("policy"), *registry.versions("reward")],
        champion=champion.version if champion else None,
        spoken=activity(workspace.feedback),
        voted=activity(workspace.votes),
        here=records.keys(workspace),
        step_run=archive.parents_of,
        incidents=log.every(workspace.audit),
    )


def lineage(world: History, asked: str) -> Lineage:
    """What `asked` is, and everything that belongs to it.

    Args:
        world: what is known.
        asked: `policy@champion`, `policy/3`, a round's number or key, a run id, the hash of data or weights, a git
            commit, an annotator; hexadecimal names by their first six digits or more.

    Raises:
        NotFound: nothing goes by that name.
    """
    kind, _, name = asked.removeprefix("models:/").rpartition(":")
    kinds = (kind,) if kind in KINDS else KINDS
    name = name if kind in KINDS else asked.removeprefix("models:/")
    found = {kind: runs for kind in kinds if (runs := _RUNS_OF[kind](world, name))}
    if not found:
        raise NotFound(
            f"nothing here is called {asked!r}: no {', '.join(kinds)}. A version is asked for as policy/3 or "
            "policy@champion, a hexadecimal name by six digits or more; annotators are found in the feedback of the "
            "workspace only"
        )
    runs = set().union(*found.values())
    told = tuple(_round(world, past) for past in world.rounds if past.run_id in runs)
    said = Annotator(name, _people(world, lambda one: one.annotator == name)) if "annotator" in found else None
    return Lineage(asked, tuple(found), said, told)


def _of_version(world: History, name: str) -> set[str]:
    name = f"policy/{world.champion}" if name == f"policy@{CHAMPION}" else name
    return {version.run_id for version in world.versions if _title(version) == name}


def _of_run(world: History, name: str) -> set[str]:
    steps = world.step_run(name)
    return {past.run_id for past in world.rounds if matches_prefix(past.run_id, name) or past.run_id in steps}


def _of_round(world: History, name: str) -> set[str]:
    return {past.run_id for past in world.rounds if str(past.number) == name or matches_prefix(past.key, name)}


def _of_data(world: History, name: str) -> set[str]:
    written = {past.run_id for past in world.rounds if any(matches_prefix(output.md5, name) for output in past.outputs)}
    return written | {version.run_id for version in world.versions if matches_prefix(version.digest, name)}


def _of_commit(world: History, name: str) -> set[str]:
    return {past.run_id for past in world.rounds if matches_prefix(past.tags.get("git_commit", ""), name)}


def _of_annotator(world: History, name: str) -> set[str]:
    """The rounds that learned from the annotator (from the first that took something in), or had their votes."""
    first = min((one.round for one in world.spoken if one.annotator == name), default=None)
    voted = {one.round for one in world.voted if one.annotator == name}
    return {
        past.run_id
        for past in world.rounds
        if past.key in world.here and (past.number in voted or (first is not None and past.number >= first))
    }


_RUNS_OF: dict[str, Callable[[History, str], set[str]]] = {
    "version": _of_version,
    "run": _of_run,
    "round": _of_round,
    "data": _of_data,
    "annotator": _of_annotator,
    "commit": _of_commit,
}


def _round(world: History, past: PastRound) -> Traced:
    mine = [version for version in world.versions if version.run_id == past.run_id]
    here = past.key in world.here
    return Traced(
        round=past.number,
        key=past.key,
        verdict=past.verdict or "unfinished",
        run=past.run_id,
        started=past.started.isoformat(timespec="seconds"),
        commit=past.tags.get("git_commit"),
        dirty=past.tags.get("git_dirty") == "true",
        code=past.tags.get("code"),
        parent=_parent(world, past),
        champion=_known(past.tags.get("champion"), "policy/"),
        versions=tuple(_version(world, version) for version in mine),
        data=tuple(sorted(past.outputs)),
        people=_people(
            world, lambda one: here and one.round <= past.number, lambda one: here and one.round == past.number
        ),
        followed_by=tuple(_followers(world, past, mine)),
    )


def _version(world: History, version: ModelVersion) -> Registered:
    is_policy = version.name == "policy"
    mine = (one for one in world.incidents if one.version == version.version)
    return Registered(
        version=_title(version),
        digest=version.digest,
        champion=is_policy and version.version == world.champion,
        incidents=tuple(About(one.number, one.open, one.what) for one in mine) if is_policy else None,
        reward_version=version.tags.get("reward_version"),
        rolled_back=version.tags.get("rolled_back"),
    )


def _parent(world: History, past: PastRound) -> Parent | None:
    key = _known(past.tags.get("parent"))
    if key is None:
        return None
    return Parent(next((one.number for one in world.rounds if one.key == key), None), key)


def _followers(world: History, past: PastRound, mine: Iterable[ModelVersion]) -> list[int]:
    """Rounds that came right after this one, or whose champion it made."""
    policies = {version.version for version in mine if version.name == "policy"}
    return sorted(
        {
            one.number
            for one in world.rounds
            if past.key == one.tags.get("parent") or one.tags.get("champion") in policies
        }
    )


def _people(
    world: History,
    learned: Callable[[AnnotatorActivity], bool],
    voted: Callable[[AnnotatorActivity], bool] | None = None,
) -> People:
    """Whose feedback was learned from, and whose votes decided."""
    return People(
        feedback=tuple(one for one in world.spoken if learned(one)),
        votes=tuple(one for one in world.voted if (voted or learned)(one)),
    )


def _known(value: str | None, prefix: str = "") -> str | None:
    return None if value in (None, "none") else f"{prefix}{value}"


def _title(version: ModelVersion) -> str:
    return f"{version.name}/{version.version}"
