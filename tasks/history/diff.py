"""The differences between two rounds: parameters, other inputs, data, code, metrics, verdict."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.nested import Change, changed, flat
from core.stored import Json
from tasks.registry.archive import PastRound, SavedFiles


class RoundName(NamedTuple):
    """The number, key and run of a round."""

    round: int
    key: str
    run: str


class Difference(NamedTuple):
    """The differences between two rounds: name → [first, second]. Equal values are left out."""

    rounds: tuple[RoundName, RoundName]
    params: Mapping[str, Change]
    inputs: Mapping[str, Change]
    """Inputs other than the parameters."""
    data: Mapping[str, Change]
    code: Mapping[str, Change]
    metrics: Mapping[str, Change]
    verdict: Mapping[str, Change]

    def section(self, name: str) -> Mapping[str, Change]:
        """The differences in one of the fields, by its name."""
        changes: Mapping[str, Change] = getattr(self, name)
        return changes

    def to_json(self) -> Json:
        """As plain values."""
        return {**self._asdict(), "rounds": [name._asdict() for name in self.rounds]}


def difference(first: tuple[PastRound, SavedFiles], second: tuple[PastRound, SavedFiles]) -> Difference:
    """Compare two rounds.

    Args:
        first: a round, and the files that were saved to its run.
        second: the round to compare it with.
    """
    (before, old), (after, new) = first, second
    return Difference(
        rounds=(_named(before), _named(after)),
        params=changed(flat(old.inputs.params), flat(new.inputs.params)),
        inputs=changed(_other_inputs(old), _other_inputs(new)),
        data=changed(_data(old), _data(new)),
        code=changed(_code(before), _code(after)),
        metrics=changed(old.metrics, new.metrics),
        verdict=changed(_verdict(before, old), _verdict(after, new)),
    )


def _named(past: PastRound) -> RoundName:
    return RoundName(past.number, past.key, past.run_id)


def _other_inputs(saved: SavedFiles) -> dict[str, Any]:
    return flat(
        {name: value for name, value in saved.inputs.to_json().items() if name not in ("number", "code", "params")}
    )


def _data(saved: SavedFiles) -> dict[str, str]:
    """Path → MD5 of every output of the steps."""
    return {out["path"]: out["md5"] for stage in saved.stages.values() for out in stage.get("outs", [])}


def _code(past: PastRound) -> dict[str, str | None]:
    names = {"commit": "git_commit", "uncommitted changes": "git_dirty", "digest": "code"}
    return {name: past.tags.get(tag) for name, tag in names.items()}


def _verdict(past: PastRound, saved: SavedFiles) -> dict[str, str | None]:
    """The result, and the result and reason of each gate."""
    findings = saved.verdict.findings if saved.verdict else ()
    gates = {finding.gate: f"{finding.result}: {finding.reason}" for finding in findings}
    return {"result": past.verdict, **gates}
