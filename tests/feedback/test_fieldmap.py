"""Records of no known form, read by a map of their columns; each case says which answer must be chosen."""

from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback, BadParams
from core.settings import parse
from feedback import canonical, fieldmap
from feedback.fieldmap import FieldMap
from feedback.schema import FeedbackEvent

ROW = {"q": {"text": "Q?"}, "outputs": [{"content": "first"}, {"content": "second"}], "who": 7}
PAIR = {"prompt": "q.text", "answers": ["outputs[0].content", "outputs[1].content"]}


def read(values: dict[str, Any], row: dict[str, Any]) -> FeedbackEvent:
    record = parse(FieldMap, values, "map.yaml").record(row)
    return canonical.event(record, {"source": "s", "source_id": "1"})


def best(event: FeedbackEvent) -> str:
    """The text of the best answer, or the outcome."""
    judgement = event.judgements[0]
    if judgement.outcome != "prefer":
        return judgement.outcome
    assert judgement.ranks is not None
    return event.responses[judgement.ranks.index(1)].text


@pytest.mark.parametrize(
    ("value", "chosen"),
    [("left", "first"), (True, "second"), (2, "second"), (3.0, "first"), ("same", "tie"), ("none", "tie_both_bad")],
)
def test_the_winner_is_read_from_a_table_of_values(value: object, chosen: str) -> None:
    values = {"left": 0, True: 1, 2: 1, 3: 0, "same": "tie", "none": "tie_both_bad"}
    event = read(PAIR | {"winner": {"path": "vote", "values": values}}, ROW | {"vote": value})
    assert (event.kind, best(event)) == ("comparison", chosen)
    assert [turn.content for turn in event.prompt] == ["Q?"]
    assert event.extra["vote"] == value


def test_a_value_that_is_not_in_the_map_is_refused() -> None:
    with pytest.raises(BadFeedback, match=r"vote is 'right', expected one of left"):
        read(PAIR | {"winner": {"path": "vote", "values": {"left": 0}}}, ROW | {"vote": "right"})


@pytest.mark.parametrize(
    ("direction", "scores", "chosen"),
    [("highest", (2, 5), "second"), ("lowest", (0, 1), "first"), ("highest", ("4", "3"), "first")],
)
def test_the_direction_of_scores_is_stated(direction: str, scores: tuple[Any, Any], chosen: str) -> None:
    values = PAIR | {"scores": {"paths": ["a", "b"], "best": direction}}
    assert best(read(values, ROW | {"a": scores[0], "b": scores[1]})) == chosen


def test_a_ranking_a_rating_a_thumb_and_a_demonstration() -> None:
    three = {"prompt": "q", "answers": ["x", "y", "z"], "scores": {"paths": ["r1", "r2", "r3"], "best": "lowest"}}
    ranking = read(three, {"q": "Q?", "x": "X", "y": "Y", "z": "Z", "r1": 2, "r2": 0, "r3": 2})
    assert (ranking.kind, ranking.judgements[0].ranks) == ("ranking", (2, 1, 2))
    one = {"prompt": "q", "answers": ["x"]}
    rating = read(one | {"scores": {"paths": ["s"], "best": "lowest", "scale": [1, 5]}}, {"q": "Q?", "x": "X", "s": 1})
    assert (rating.kind, rating.judgements[0].scores) == ("rating", (5.0,))
    thumb = read(one | {"winner": {"path": "ok", "values": {"no": "bad"}}}, {"q": "Q?", "x": "X", "ok": "no"})
    assert (thumb.kind, thumb.judgements[0].scores) == ("binary", (0.0,))
    assert read(one, {"q": "Q?", "x": "X"}).kind == "demonstration"


def test_fields_constants_and_json_in_text() -> None:
    values = {
        "prompt": "turns",
        "answers": ["pair.a", "pair.b"],
        "winner": {"path": "vote", "values": {"a": 0}},
        "fields": {"annotator_id": "who"},
        "constant": {"licence": "MIT", "annotator_type": "ai"},
    }
    row = {"turns": '[{"from": "human", "value": "Q?"}]', "pair": '{"a": "A", "b": "B"}', "vote": "a", "who": 7}
    event = read(values, row)
    assert ([turn.content for turn in event.prompt], best(event)) == (["Q?"], "A")
    assert (event.annotator_id, event.licence, event.annotator_type) == ("7", "MIT", "ai")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"answers": ["a"]}, "prompt is missing"),
        ({"prompt": "q", "answers": ["a", "b"]}, "without winner or scores"),
        (PAIR | {"winner": {"path": "v", "values": {"a": 2}}}, "expected 0 or 1"),
        (PAIR | {"winner": {"path": "v", "values": {"a": "good"}}}, "expected 0 or 1"),
        ({"prompt": "q", "answers": ["a"], "winner": {"path": "v", "values": {"a": 0}}}, "expected good or bad"),
        (PAIR | {"answers": ["a", "b", "c"], "winner": {"path": "v", "values": {"a": 0}}}, "use scores"),
        (PAIR | {"scores": {"paths": ["a"], "best": "highest"}}, "expected 2, one per answer"),
        (PAIR | {"scores": {"paths": ["a", "b"]}}, "best"),
        ({"prompt": "q", "answers": ["a"], "scores": {"paths": ["s"], "best": "highest"}}, "scale is missing"),
        (PAIR | {"winer": {}}, "did you mean 'winner'"),
    ],
)
def test_an_incomplete_map_is_named(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadParams, match=problem):
        parse(FieldMap, values, "map.yaml")


def test_a_path_that_leads_nowhere() -> None:
    with pytest.raises(BadFeedback, match=r"q\.body is missing"):
        read(PAIR | {"prompt": "q.body", "winner": {"path": "v", "values": {"a": 0}}}, ROW | {"v": "a"})


def test_a_template_is_a_map_when_its_paths_are_written(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(fieldmap.template(["q", "x"]).replace("PATH", "x"))
    assert fieldmap.load(tmp_path / "map.yaml").winner is not None
