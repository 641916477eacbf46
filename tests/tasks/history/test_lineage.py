from typing import Any

import pytest

from tasks.history.lineage import History, lineage
from tasks.registry.archive import NotFound
from tests.tasks.history.worlds import COMMITS, FEEDBACK, KEYS, RUNS, SFT, version, world


def told_of(asked: str, known: History | None = None) -> Any:
    return lineage(known or world(), asked).to_json()


def rounds(asked: str) -> list[int]:
    return [told["round"] for told in told_of(asked)["rounds"]]


@pytest.mark.parametrize(
    ("asked", "kind", "found"),
    [
        ("policy@champion", "version", [1]),
        ("models:/policy@champion", "version", [1]),
        ("policy/1", "version", [0]),
        ("models:/reward/1", "version", [1]),
        ("version:reward/1", "version", [1]),
        (RUNS[2], "run", [2]),
        (RUNS[2][:6], "run", [2]),
        ("d" * 32, "run", [1]),  # a step's
        ("2", "round", [2]),
        (KEYS[1], "round", [1]),
        (FEEDBACK[1], "data", [1]),
        (FEEDBACK[1][:8], "data", [1]),
        (SFT, "data", [0, 1, 2]),
        (version("policy", "2", 1).digest, "data", [1]),  # of weights
        (COMMITS[0][:7], "commit", [0, 1]),
        ("ana", "annotator", [0, 1, 2]),
        ("ben", "annotator", [2]),
        ("cem", "annotator", [1]),  # a vote decides its round, and nobody learns from it
    ],
)
def test_everything_leads_to_its_rounds(asked: str, kind: str, found: list[int]) -> None:
    assert (told_of(asked)["is"], rounds(asked)) == ([kind], found)


def test_a_round_tells_all_the_rest() -> None:
    [told] = told_of("round:1")["rounds"]
    assert (told["key"], told["run"], told["verdict"], told["commit"]) == (KEYS[1], RUNS[1], "promote", COMMITS[1])
    assert (told["parent"], told["champion"]) == ({"round": 0, "key": KEYS[0]}, "policy/1")
    assert [(one["version"], one["champion"]) for one in told["versions"]] == [("policy/2", True), ("reward/1", False)]
    assert {(one["step"], one["md5"]) for one in told["data"]} == {("sft", SFT), ("ingest", FEEDBACK[1])}
    assert [(one["annotator"], one["round"], one["records"]) for one in told["feedback"]] == [
        ("ana", 0, 5),
        ("ana", 1, 7),
    ]
    assert [(one["annotator"], one["records"]) for one in told["votes"]] == [("cem", 40)]
    assert told["followed_by"] == [2]


def test_an_annotator_is_told_with_all_that_they_said() -> None:
    told = told_of("ana")["annotator"]
    assert [(one["round"], one["records"]) for one in told["feedback"]] == [(0, 5), (1, 7)]
    assert told["votes"] == []


def test_rounds_of_another_workspace_have_none_of_its_people() -> None:
    shared = world()._replace(here=KEYS[:2])
    [other] = told_of("round:2", shared)["rounds"]
    assert (other["feedback"], other["votes"]) == ([], [])
    assert [told["round"] for told in told_of("ana", shared)["rounds"]] == [0, 1]


def test_a_name_of_two_kinds_is_both_unless_one_is_asked_for() -> None:
    named = world()._replace(spoken=[world().spoken[2]._replace(annotator="0")])
    assert told_of("0", named)["is"] == ["round", "annotator"]
    assert [told["round"] for told in told_of("round:0", named)["rounds"]] == [0]
    assert [told["round"] for told in told_of("annotator:0", named)["rounds"]] == [2]


@pytest.mark.parametrize("asked", ["policy/9", "9", "22222", "annotator:dan", "run:" + KEYS[0], "e" * 32, ""])
def test_what_is_not_there_is_said_to_be_missing(asked: str) -> None:
    with pytest.raises(NotFound, match="nothing here is called"):
        lineage(world(), asked)
