"""Which registered versions learned from the feedback of an annotator, and which is the last that did not."""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from feedback.forgotten import pseudonym
from tasks.registry.alias import Registry
from tasks.registry.versions import ModelVersion
from tasks.state import records
from tasks.state.records import RoundRecord
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


def learned(workspace: Workspace, annotator: str, ingested: Collection[int]) -> Learned:
    """The versions that learned from feedback that the rounds `ingested` took in.

    Rounds of other workspaces in the same MLflow are left out: they have feedback of their own.
    """
    registry = Registry(workspace.root)
    finished = [records.read(workspace, number) for number in records.numbers(workspace)]
    keys, hows = {record.key for record in finished}, rounds_that_learned(finished, annotator, ingested)
    own = [v for name in ("policy", "reward") for v in registry.versions(name) if v.tags["round_key"] in keys]
    own.sort(key=lambda version: (version.round, version.name))
    affected = [LearnedVersion(_title(v), v.round, hows[v.round]) for v in own if _learned(v, hows)]
    clean = [_title(version) for version in own if version.name == "policy" and version.round not in hows]
    champion = registry.champion()
    name = _title(champion) if champion else None
    return Learned(
        tuple(affected), clean[-1] if clean else None, name if name in {v.version for v in affected} else None
    )


def rounds_that_learned(finished: Sequence[RoundRecord], annotator: str, ingested: Collection[int]) -> dict[int, How]:
    """The rounds whose models learned from the feedback, and how. `finished` are all rounds, oldest first."""
    name, hows, rounds = pseudonym(annotator), dict[int, How](), {record.version: record.number for record in finished}
    for record in finished:
        inputs = record.inputs
        if any(number <= record.number for number in ingested) and name not in inputs.forgotten:
            hows[record.number] = "feedback"
        elif inputs.champion and _start(record) == "champion" and rounds.get(inputs.champion.version) in hows:
            hows[record.number] = "champion"
    return hows


def _learned(version: ModelVersion, hows: dict[int, How]) -> bool:
    """A reward model starts from the SFT model, so that it learns from a round's own feedback only."""
    return version.round in hows and (version.name == "policy" or hows[version.round] == "feedback")


def _start(record: RoundRecord) -> str:
    return str(record.inputs.params.get("policy", {}).get("start", "champion"))


def _title(version: ModelVersion) -> str:
    return f"{version.name}/{version.version}"
