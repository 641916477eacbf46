import re
from typing import Any

import pytest

from core.errors import NotFound
from tasks.history.lineage import History, lineage
from tests.tasks.history.worlds import COMMITS, FEEDBACK, KEYS, RUNS, SFT, version, world


def lineage_of(query: str, history: History | None = None) -> Any:
    return lineage(history or world(), query).to_json()


def rounds(query: str) -> list[int]:
    return [traced["round"] for traced in lineage_of(query)["rounds"]]


@pytest.mark.parametrize(
    ("query", "kind", "expected"),
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
        ("cem", "annotator", [1]),  # fresh votes belong to their own round only
    ],
)
def test_every_kind_of_name_leads_to_its_rounds(query: str, kind: str, expected: list[int]) -> None:
    assert (lineage_of(query)["is"], rounds(query)) == ([kind], expected)


def test_a_round_lists_everything_that_belongs_to_it() -> None:
    [traced] = lineage_of("round:1")["rounds"]
    assert (traced["key"], traced["run"], traced["verdict"], traced["commit"]) == (
        KEYS[1],
        RUNS[1],
        "promote",
        COMMITS[1],
    )
    assert (traced["parent"], traced["champion"]) == ({"round": 0, "key": KEYS[0]}, "policy/1")
    assert [(entry["version"], entry["champion"]) for entry in traced["versions"]] == [
        ("policy/2", True),
        ("reward/1", False),
    ]
    assert {(entry["step"], entry["md5"]) for entry in traced["data"]} == {("sft", SFT), ("ingest", FEEDBACK[1])}
    assert [(entry["annotator"], entry["round"], entry["records"]) for entry in traced["feedback"]] == [
        ("ana", 0, 5),
        ("ana", 1, 7),
    ]
    assert [(entry["annotator"], entry["records"]) for entry in traced["votes"]] == [("cem", 40)]
    assert traced["followed_by"] == [2]


def test_an_annotator_has_all_their_feedback_and_votes() -> None:
    traced = lineage_of("ana")["annotator"]
    assert [(entry["round"], entry["records"]) for entry in traced["feedback"]] == [(0, 5), (1, 7)]
    assert traced["votes"] == []


def test_rounds_of_another_workspace_have_no_annotators() -> None:
    shared = world()._replace(local_keys=KEYS[:2])
    [other] = lineage_of("round:2", shared)["rounds"]
    assert (other["feedback"], other["votes"]) == ([], [])
    assert [traced["round"] for traced in lineage_of("ana", shared)["rounds"]] == [0, 1]


def test_a_name_of_two_kinds_is_both_unless_the_kind_is_given() -> None:
    named = world()._replace(feedback=[world().feedback[2]._replace(annotator="0")])
    assert lineage_of("0", named)["is"] == ["round", "annotator"]
    assert [traced["round"] for traced in lineage_of("round:0", named)["rounds"]] == [0]
    assert [traced["round"] for traced in lineage_of("annotator:0", named)["rounds"]] == [2]


@pytest.mark.parametrize("query", ["policy/9", "9", "22222", "annotator:dan", "run:" + KEYS[0], "e" * 32, ""])
def test_an_unknown_name_is_repeated_in_the_error(query: str) -> None:
    with pytest.raises(NotFound, match=re.escape(repr(query))):
        lineage(world(), query)


def test_a_round_whose_answers_a_server_scored_says_so() -> None:
    history = world()
    first, *others = history.rounds
    server = 'http://127.0.0.1:9000/score, which stated {"version": 3}'
    scored = first._replace(tags={**first.tags, "reward_server": server})
    traced = {query: lineage_of(query, history._replace(rounds=[scored, *others]))["rounds"][0] for query in "01"}
    assert traced["0"]["reward_server"] == server
    assert "reward_server" not in traced["1"]


def test_a_round_whose_feedback_was_purged_says_so() -> None:
    history = world()
    first, *others = history.rounds
    purged = first._replace(tags={**first.tags, "feedback_purged": "on 2026-11-29 by bo"})
    traced = {query: lineage_of(query, history._replace(rounds=[purged, *others]))["rounds"][0] for query in "01"}
    assert traced["0"]["purged"] == "on 2026-11-29 by bo"
    assert "purged" not in traced["1"]


def test_a_round_that_a_server_sampled_says_so() -> None:
    history = world()
    first, *others = history.rounds
    sampled = first._replace(tags={**first.tags, "sampler": "vllm 0.32.0"})
    traced = {query: lineage_of(query, history._replace(rounds=[sampled, *others]))["rounds"][0] for query in "01"}
    assert traced["0"]["sampler"] == "vllm 0.32.0"
    assert "sampler" not in traced["1"]
