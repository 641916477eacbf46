"""What differed between two rounds: parameters, other inputs, data, code, metrics, verdict."""

from typing import Any

from core.nested import changed, flat
from tasks.registry.archive import PastRound, SavedFiles


def difference(one: tuple[PastRound, SavedFiles], two: tuple[PastRound, SavedFiles]) -> dict[str, Any]:
    """All that is not the same, as plain values: name → [first, second]; what is equal is left out.

    Args:
        one: a round, and the files that were saved to its run.
        two: the round that it is compared with.
    """
    (before, old), (after, new) = one, two
    return {
        "rounds": [_named(before), _named(after)],
        "params": changed(flat(old.inputs["params"]), flat(new.inputs["params"])),
        "inputs": changed(_other_inputs(old), _other_inputs(new)),
        "data": changed(_data(old), _data(new)),
        "code": changed(_code(before), _code(after)),
        "metrics": changed(before.metrics, after.metrics),
        "verdict": changed(_verdict(before, old), _verdict(after, new)),
    }


def _named(past: PastRound) -> dict[str, Any]:
    return {"round": past.number, "key": past.key, "run": past.run_id}


def _other_inputs(saved: SavedFiles) -> dict[str, Any]:
    return flat({name: value for name, value in saved.inputs.items() if name not in ("number", "code", "params")})


def _data(saved: SavedFiles) -> dict[str, str]:
    """Path → MD5 of everything that the steps wrote."""
    return {out["path"]: out["md5"] for stage in saved.stages.values() for out in stage.get("outs", [])}


def _code(past: PastRound) -> dict[str, str | None]:
    names = {"commit": "git_commit", "uncommitted changes": "git_dirty", "digest": "code"}
    return {name: past.tags.get(tag) for name, tag in names.items()}


def _verdict(past: PastRound, saved: SavedFiles) -> dict[str, str | None]:
    """The result, and what each gate said."""
    findings = saved.verdict.get("findings", [])
    said = {finding["gate"]: f"{finding['result']}: {finding['reason']}" for finding in findings}
    return {"result": past.verdict, **said}
