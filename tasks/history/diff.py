"""What differed between two rounds: parameters, other inputs, data, code, metrics, verdict."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.nested import Change, changed, flat
from core.stored import Json
from tasks.registry.archive import PastRound, SavedFiles


class Named(NamedTuple):
    """A round, by all its names."""

    round: int
    key: str
    run: str


class Difference(NamedTuple):
    """All that is not the same in two rounds: name → [first, second]; what is equal is left out."""

    rounds: tuple[Named, Named]
    params: Mapping[str, Change]
    inputs: Mapping[str, Change]
    """The other inputs."""
    data: Mapping[str, Change]
    code: Mapping[str, Change]
    metrics: Mapping[str, Change]
    verdict: Mapping[str, Change]

    def section(self, name: str) -> Mapping[str, Change]:
        """What differs in one of the fields."""
        found: Mapping[str, Change] = getattr(self, name)
        return found

    def to_json(self) -> Json:
        """As plain values."""
        return {**self._asdict(), "rounds": [one._asdict() for one in self.rounds]}


def difference(one: tuple[PastRound, SavedFiles], two: tuple[PastRound, SavedFiles]) -> Difference:
    """All that is not the same.

    Args:
        one: a round, and the files that were saved to its run.
        two: the round that it is compared with.
    """
    (before, old), (after, new) = one, two
    return Difference(
        rounds=(_named(before), _named(after)),
        params=changed(flat(old.inputs.params), flat(new.inputs.params)),
        inputs=changed(_other_inputs(old), _other_inputs(new)),
        data=changed(_data(old), _data(new)),
        code=changed(_code(before), _code(after)),
        metrics=changed(before.metrics, after.metrics),
        verdict=changed(_verdict(before, old), _verdict(after, new)),
    )


def _named(past: PastRound) -> Named:
    return Named(past.number, past.key, past.run_id)


def _other_inputs(saved: SavedFiles) -> dict[str, Any]:
    return flat(
        {name: value for name, value in saved.inputs.to_json().items() if name not in ("number", "code", "params")}
    )


def _data(saved: SavedFiles) -> dict[str, str]:
    """Path → MD5 of everything that the steps wrote."""
    return {out["path"]: out["md5"] for stage in saved.stages.values() for out in stage.get("outs", [])}


def _code(past: PastRound) -> dict[str, str | None]:
    names = {"commit": "git_commit", "uncommitted changes": "git_dirty", "digest": "code"}
    return {name: past.tags.get(tag) for name, tag in names.items()}


def _verdict(past: PastRound, saved: SavedFiles) -> dict[str, str | None]:
    """The result, and what each gate said."""
    findings = saved.verdict.findings if saved.verdict else ()
    said = {finding.gate: f"{finding.result}: {finding.reason}" for finding in findings}
    return {"result": past.verdict, **said}
