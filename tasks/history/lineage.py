"""Where a model came from and what became of a piece of data: versions, runs, rounds, data, annotators, commits.

The round joins them all. Whatever is asked for is traced to the rounds that it belongs to, and each round tells the
rest. Everything but the annotators is in MLflow; those are in the feedback of the workspace.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from feedback.annotators import AnnotatorActivity, spoken
from tasks.registry import incidents as log
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive, NotFound, PastRound, begins
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


def survey(workspace: Workspace) -> History:
    """All that MLflow and the workspace know."""
    registry, archive = Registry(workspace.root), Archive(workspace.root)
    champion = registry.champion()
    return History(
        rounds=archive.rounds(),
        versions=[*registry.versions("policy"), *registry.versions("reward")],
        champion=champion.version if champion else None,
        spoken=spoken(workspace.feedback),
        voted=spoken(workspace.votes),
        here=records.keys(workspace),
        step_run=archive.parents_of,
        incidents=log.every(workspace.audit),
    )


def lineage(world: History, asked: str) -> dict[str, Any]:
    """What `asked` is, and everything that belongs to it, as plain values.

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
    told = [_round(world, past) for past in world.rounds if past.run_id in runs]
    return {"asked": asked, "is": list(found), **_said_by(world, name, found), "rounds": told}


def _said_by(world: History, name: str, found: dict[str, set[str]]) -> dict[str, Any]:
    if "annotator" not in found:
        return {}
    return {"annotator": {"name": name, **_people(world, lambda one: one.annotator == name)}}


def _of_version(world: History, name: str) -> set[str]:
    name = f"policy/{world.champion}" if name == f"policy@{CHAMPION}" else name
    return {version.run_id for version in world.versions if _title(version) == name}


def _of_run(world: History, name: str) -> set[str]:
    steps = world.step_run(name)
    return {past.run_id for past in world.rounds if begins(past.run_id, name) or past.run_id in steps}


def _of_round(world: History, name: str) -> set[str]:
    return {past.run_id for past in world.rounds if str(past.number) == name or begins(past.key, name)}


def _of_data(world: History, name: str) -> set[str]:
    written = {past.run_id for past in world.rounds if any(begins(output.md5, name) for output in past.outputs)}
    return written | {version.run_id for version in world.versions if begins(version.digest, name)}


def _of_commit(world: History, name: str) -> set[str]:
    return {past.run_id for past in world.rounds if begins(past.tags.get("git_commit", ""), name)}


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


def _round(world: History, past: PastRound) -> dict[str, Any]:
    mine = [version for version in world.versions if version.run_id == past.run_id]
    here = past.key in world.here
    return {
        "round": past.number,
        "key": past.key,
        "verdict": past.verdict or "unfinished",
        "run": past.run_id,
        "started": past.started.isoformat(timespec="seconds"),
        "commit": past.tags.get("git_commit"),
        "dirty": past.tags.get("git_dirty") == "true",
        "code": past.tags.get("code"),
        "parent": _parent(world, past),
        "champion": _known(past.tags.get("champion"), "policy/"),
        "versions": [_version(world, version) for version in mine],
        "data": [output._asdict() for output in sorted(past.outputs)],
        **_people(world, lambda one: here and one.round <= past.number, lambda one: here and one.round == past.number),
        "followed_by": _followers(world, past, mine),
    }


def _version(world: History, version: ModelVersion) -> dict[str, Any]:
    told: dict[str, Any] = {"version": _title(version), "digest": version.digest, "champion": False}
    if version.name == "policy":
        told["champion"] = version.version == world.champion
        told["incidents"] = [
            {"number": one.number, "open": one.open, "what": one.what}
            for one in world.incidents
            if one.version == version.version
        ]
    return told | {name: version.tags[name] for name in ("reward_version", "rolled_back") if name in version.tags}


def _parent(world: History, past: PastRound) -> dict[str, Any] | None:
    key = _known(past.tags.get("parent"))
    if key is None:
        return None
    return {"round": next((one.number for one in world.rounds if one.key == key), None), "key": key}


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
) -> dict[str, Any]:
    """Whose feedback was learned from, and whose votes decided."""
    return {
        "feedback": [one._asdict() for one in world.spoken if learned(one)],
        "votes": [one._asdict() for one in world.voted if (voted or learned)(one)],
    }


def _known(value: str | None, prefix: str = "") -> str | None:
    return None if value in (None, "none") else f"{prefix}{value}"


def _title(version: ModelVersion) -> str:
    return f"{version.name}/{version.version}"
