"""`rounds diff`, on real rounds."""

import json

from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds


def test_two_rounds_differ_in_a_changed_parameter_and_its_effects(rounds: Rounds, followed: Workspace) -> None:
    result = rounds("diff", "1", "2", "--json", "-w", followed.root)
    assert result.code == 0, result.err
    changes = json.loads(result.out)
    assert {name.split(".")[0] for name in changes["params"]} == {"verdict"}
    assert changes["inputs"]["champion.version"] == ["1", "2"]
    assert "data/feedback" in changes["data"]
    assert "data/checkpoints/sft" not in changes["data"]
    assert changes["code"] == {}
    assert changes["verdict"]["result"] == ["promote", "hold"]
    first, second = (records.metrics(followed, number) for number in (1, 2))
    assert changes["metrics"]["curate/train"] == [first["curate/train"], second["curate/train"]]


def test_the_table_names_rounds_and_what_is_the_same(rounds: Rounds, followed: Workspace) -> None:
    key = records.read(followed, 2).key
    out = rounds("diff", "1", key, "-w", followed.root).out
    assert out.split()[:4] == ["round", "1", "round", "2"]
    assert "The same in both: code." in out
    assert rounds("diff", "1", "1", "-w", followed.root).out.endswith(
        "The same in both: verdict, code, params, inputs, data, metrics.\n"
    )


def test_a_round_that_is_not_there(rounds: Rounds, followed: Workspace) -> None:
    result = rounds("diff", "1", "7", "-w", followed.root)
    assert result.code == 2
    assert "no finished round '7'" in result.err
    assert "finished rounds: 0, 1, 2" in result.err
