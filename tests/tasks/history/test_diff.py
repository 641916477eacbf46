import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.nested import changed, flat
from tasks.history.diff import difference
from tasks.registry.archive import PastRound, SavedFiles
from tasks.state.inputs import Base, Inputs
from tests.tasks.history.worlds import COMMITS, KEYS, RUNS, past

Measured = Mapping[str, Mapping[str, float]]

VALUES = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2))


def saved(folder: Path, kl: float, feedback: str, verdict: str, metrics: Measured | None = None) -> SavedFiles:
    folder.mkdir()
    base, params = Base(name="scratch", digest="scratch"), {"policy": {"kl": kl, "steps": 4}}
    inputs = Inputs(number=1, seed=7, salt="", base=base, code="", feedback="", params=params)
    (folder / "round.yaml").write_text(inputs.to_yaml())
    stages = {"ingest": {"outs": [{"path": "data/feedback", "md5": feedback}]}, "drift": {}}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    findings = [{"gate": "win_rate", "result": verdict, "reason": "votes"}]
    (folder / "verdict.json").write_text(json.dumps({"result": verdict, "findings": findings}))
    for step, values in (metrics or {}).items():
        (folder / f"{step}.json").write_text(json.dumps({"metrics": values}))
    return SavedFiles(folder)


def test_differences_are_listed_by_section_and_equal_values_left_out(tmp_path: Path) -> None:
    measured: Measured = {"evaluate": {"win_rate": 0.60001}, "curate": {"train": 40}}  # in the runs, both have 0.6
    again: Measured = {"evaluate": {"win_rate": 0.60002}, "curate": {"train": 40}, "drift": {"psi": 0.1}}
    changes = difference(
        (past(1, "promote"), saved(tmp_path / "1", 0.3, "aa", "promote", measured)),
        (past(2, "hold"), saved(tmp_path / "2", 0.1, "bb", "hold", again)),
    )
    assert changes.to_json() == {
        "rounds": [{"round": 1, "key": KEYS[1], "run": RUNS[1]}, {"round": 2, "key": KEYS[2], "run": RUNS[2]}],
        "params": {"policy.kl": [0.3, 0.1]},
        "inputs": {},
        "data": {"data/feedback": ["aa", "bb"]},
        "code": {"commit": [COMMITS[1], COMMITS[2]]},
        "metrics": {"evaluate/win_rate": [0.60001, 0.60002], "drift/psi": [None, 0.1]},
        "verdict": {"result": ["promote", "hold"], "win_rate": ["promote: votes", "hold: votes"]},
    }


def test_a_round_does_not_differ_from_itself(tmp_path: Path) -> None:
    first: tuple[PastRound, SavedFiles] = past(1, "promote"), saved(tmp_path / "1", 0.3, "aa", "promote")
    changes = difference(first, first)
    assert not any(changes[1:])


def test_an_empty_group_is_a_value() -> None:
    assert flat({"a": {"b": 1, "c": {}}, "d": []}) == {"a.b": 1, "a.c": {}, "d": []}


@given(VALUES, VALUES)
def test_changes_are_symmetric_and_complete(first: dict[str, Any], second: dict[str, Any]) -> None:
    changes = changed(first, second)
    assert changes == {name: pair[::-1] for name, pair in changed(second, first).items()}
    assert {**first, **{name: new for name, (_, new) in changes.items() if new is not None}}.items() >= second.items()
