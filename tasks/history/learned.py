"""Which registered versions learned from the feedback of an annotator, and which is the last that did not."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from core.errors import RoundsError
from feedback.forgotten import pseudonym
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive, PastRound
from tasks.registry.ledger import Ledger, ledger
from tasks.registry.versions import ModelVersion
from tasks.state import records
from tasks.state.inputs import Inputs
from tasks.state.workspace import Workspace

How = Literal["feedback", "champion"]
"""`feedback`: the round trained on it. `champion`: its policy started from a champion that had learned from it."""


class LearnedVersion(NamedTuple):
    """A version that learned from the feedback."""

    version: str
    """`policy/3`"""
    round: int
    how: How


class Learned(NamedTuple):
    """What learned from the feedback of one annotator."""

    versions: tuple[LearnedVersion, ...]
    """Oldest first."""
    clean: str | None
    """The newest policy version that did not learn from it, as `policy/3`; None if all did."""
    champion: str | None
    """The champion's version, as `policy/3`, if it learned from it."""
    back: str | None = None
    """The newest former champion that did not learn from it, as `policy/2`: a rollback can go there."""


class TrainingRound(NamedTuple):
    """A round of this workspace that registered versions: a finished one, or one that was dropped afterwards."""

    key: str
    number: int
    version: str | None
    """Of its policy; None if it was dropped before it registered one."""
    inputs: Inputs | None
    """None if the files of a dropped round are missing in MLflow: then it counts as one that left nobody out."""


def learned(workspace: Workspace, annotator: str, ingested: Collection[int]) -> Learned:
    """The versions that learned from feedback that the rounds `ingested` took in.

    Rounds of other workspaces in the same MLflow are left out: they have feedback of their own.
    """
    registry = Registry(workspace.root)
    rounds = sorted((*_dropped(workspace, registry), *_finished(workspace)), key=lambda training: training.number)
    keys, hows = {training.key for training in rounds}, rounds_that_learned(rounds, annotator, ingested)
    own = [v for name in ("policy", "reward") for v in registry.versions(name) if v.tags["round_key"] in keys]
    own.sort(key=lambda version: (version.round, version.name))
    affected = [LearnedVersion(_title(v), v.round, hows[v.tags["round_key"]]) for v in own if _learned(v, hows)]
    clean = [_title(version) for version in own if version.name == "policy" and version.tags["round_key"] not in hows]
    champion, former = registry.champion(), [f"policy/{version}" for version in registry.former_champions()]
    return Learned(
        versions=tuple(affected),
        clean=clean[-1] if clean else None,
        champion=_title(champion) if champion and champion.tags["round_key"] in hows else None,
        back=next((title for title in former if title in clean), None),
    )


def rounds_that_learned(rounds: Sequence[TrainingRound], annotator: str, ingested: Collection[int]) -> dict[str, How]:
    """The keys of the rounds whose models learned from the feedback, and how. `rounds` are all, oldest first."""
    name, hows, keys = pseudonym(annotator), dict[str, How](), {training.version: training.key for training in rounds}
    for training in rounds:
        inputs = training.inputs
        left_out = inputs is not None and name in inputs.forgotten
        if any(number <= training.number for number in ingested) and not left_out:
            hows[training.key] = "feedback"
        elif inputs and inputs.champion and _start(inputs) == "champion" and keys.get(inputs.champion.version) in hows:
            hows[training.key] = "champion"
    return hows


def _finished(workspace: Workspace) -> Iterator[TrainingRound]:
    for number in records.numbers(workspace):
        record = records.read(workspace, number)
        yield TrainingRound(record.key, record.number, record.version, record.inputs)


def _dropped(workspace: Workspace, registry: Registry) -> Iterator[TrainingRound]:
    """The rounds that registered versions and were dropped before they had a record; their inputs are in MLflow."""
    log = ledger(audit.read(workspace.audit))
    if log.dropped:
        archive = Archive(workspace.root, registry.line)
        for past in archive.rounds():
            if past.key in log.dropped:
                yield TrainingRound(past.key, past.number, _policy(log, past.key), _inputs(archive, past))


def _policy(log: Ledger, key: str) -> str | None:
    return next((v.version for v in log.versions.values() if (v.model, v.key) == ("policy", key)), None)


def _inputs(archive: Archive, past: PastRound) -> Inputs | None:
    with suppress(RoundsError), archive.saved(past) as saved:
        return saved.inputs
    return None


def _learned(version: ModelVersion, hows: dict[str, How]) -> bool:
    """A reward model starts from the SFT model, so that it learns from a round's own feedback only."""
    how = hows.get(version.tags["round_key"])
    return how == "feedback" or (how == "champion" and version.name == "policy")


def _start(inputs: Inputs) -> str:
    return str(inputs.params.get("policy", {}).get("start", "champion"))


def _title(version: ModelVersion) -> str:
    return f"{version.name}/{version.version}"
