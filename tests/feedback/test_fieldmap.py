"""Records of no known form, read by a map of their columns; each case says which answer must be chosen."""

import re
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback, BadParams
from core.settings import override, parse
from feedback import canonical, fieldmap
from feedback.fieldmap import FieldMap, load
from feedback.schema import FeedbackEvent
from feedback.sources.table import Table
from feedback.votes import votes
from tasks.rounds.params import RoundSettings
from tests.pages import ROOT

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


@pytest.mark.parametrize(
    ("values", "value", "chosen"),
    [
        ("{0: 0, false: 1}", 0, "A"),
        ("{false: 1, 0: 0}", 0, "A"),
        ("{0: 0, false: 1}", False, "B"),
        ("{true: 0, left: 0, 1: 1}", True, "A"),
        ("{1: 1, left: 0, true: 0}", True, "A"),
        ("{1: 1, left: 0, true: 0}", 1, "B"),
        ('{"1": 1, "true": 0}', 1, "B"),
        ('{"1": 1, "true": 0}', True, "A"),
    ],
)
def test_the_keys_true_and_1_of_a_map_are_different(tmp_path: Path, values: str, value: object, chosen: str) -> None:
    winner = f"{{path: vote, values: {values}}}"
    (tmp_path / "map.yaml").write_text(f"prompt: q\nanswers: [a, b]\nwinner: {winner}\n")
    source = f"ingest.sources=[{{use: table, path: x, map: {{prompt: q, answers: [a, b], winner: {winner}}}}}]"
    by_option = parse(RoundSettings, override({}, [source]), "-S").ingest.sources[0]
    assert isinstance(by_option, Table)
    row = {"q": "Q?", "a": "A", "b": "B", "vote": value}
    for fields in (load(tmp_path / "map.yaml"), by_option.map):
        assert fields is not None
        assert best(canonical.event(fields.record(row), {"source": "s", "source_id": "1"})) == chosen


def test_two_keys_that_are_written_alike_are_refused() -> None:
    with pytest.raises(BadParams, match="written alike"):
        parse(FieldMap, PAIR | {"winner": {"path": "vote", "values": {1: 0, "1": 1}}}, "map.yaml")


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
        (PAIR | {"winner": {"path": "v"}}, "positions_from"),
        (PAIR | {"winner": {"path": "v", "values": {"a": True}}}, "values.a"),
        (
            PAIR | {"winner": {"path": "v", "values": {"a": 0}}, "order": "best_first"},
            "two of winner, scores and order",
        ),
        (
            PAIR | {"answers": ["a", "b", "c"], "winner": {"path": "v", "numbers": {"middle": 0, "above": 1}}},
            "use scores",
        ),
        ({"prompt": "q"}, "answers is missing"),
        ({}, "the map is empty"),
        ({"prompt": "q", "answers": ["a"], "order": "best_first"}, "order needs several answers"),
        ({"prompt": "q", "answers": ["a"], "correction": True}, "correction needs two answers"),
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


def test_a_map_with_open_values_is_refused(tmp_path: Path) -> None:
    values = "prompt: q\nanswers: [a, TODO]\nwinner: {path: v, values: {left: TODO, 1: 0}}\n"
    (tmp_path / "map.yaml").write_text(values)
    with pytest.raises(BadParams, match=r"map\.yaml: answers, winner\.values\.left is TODO; write what it is"):
        fieldmap.load(tmp_path / "map.yaml")


def test_the_best_of_several_is_not_compared_with_the_others() -> None:
    three = {"prompt": "q", "answers": "x[*]", "winner": {"path": "best", "positions_from": 1}}
    event = read(three, {"q": "Q?", "x": ["A", "B", "C"], "best": "2"})
    assert (event.kind, event.judgements[0].ranks) == ("ranking", (2, 1, 2))
    found = [(vote.pair.first, vote.pair.second, vote.share, vote.weight) for vote in votes(event)]
    assert found == [("A", "B", 0.0, 0.5), ("B", "C", 1.0, 0.5)]


@pytest.mark.parametrize(
    ("winner", "value", "reason"),
    [
        ({"positions_from": 0}, 2, "v is 2, expected a position from 0 to 1"),
        ({"positions_from": 1}, 0, "v is 0, expected a position from 1 to 2"),
        ({"positions_from": 0}, 0.5, "v is 0.5, expected a position"),
        ({"equals": ["outputs[0].content", "outputs[1].content"]}, "third", "which 0 of the values"),
        ({"values": {"a": 0}}, None, "v is None, expected one of a"),
        ({"numbers": {"middle": 0, "above": 1, "scale": [-3, 3]}}, 4, "v is 4, expected a number from -3 to 3"),
        ({"numbers": {"middle": 0, "above": 1}}, None, "null: skip"),
    ],
)
def test_a_value_that_names_no_answer(winner: dict[str, Any], value: object, reason: str) -> None:
    with pytest.raises(BadFeedback, match=reason):
        read(PAIR | {"winner": {"path": "v", **winner}}, ROW | {"v": value})


def test_a_missing_value_has_a_meaning_only_if_the_map_says_so() -> None:
    winner = {"path": "v", "values": {None: "skip"}, "numbers": {"middle": 0, "above": 1}}
    assert best(read(PAIR | {"winner": winner}, ROW | {"v": None})) == "skip"
    assert best(read(PAIR | {"winner": winner}, ROW | {"v": 0.1})) == "second"


@pytest.mark.parametrize(
    ("order", "value", "ranks"),
    [
        ({"best": "first", "positions_from": 0}, [1, 0, 2], (2, 1, 3)),
        ({"best": "last", "positions_from": 1}, [1, 2, 3], (3, 2, 1)),
        ({"best": "first", "values": {"A": 0, "B": 1, "C": 2}}, "C>A=B", (2, 2, 1)),
        ({"best": "first", "positions_from": 0}, [[1, 2], 0], (2, 1, 1)),
        ({"best": "first", "positions_from": 0}, [2, 0], (2, None, 1)),
        ({"best": "first", "equals": "x[*].name"}, '["m2", "m3", "m1"]', (3, 1, 2)),
    ],
)
def test_an_order_gives_ranks(order: dict[str, Any], value: object, ranks: tuple[int | None, ...]) -> None:
    answers = [{"name": f"m{number}", "text": text} for number, text in enumerate("ABC", start=1)]
    values = {"prompt": "q", "answers": "x[*].text", "order": {"path": "r", **order}}
    assert read(values, {"q": "Q?", "x": answers, "r": value}).judgements[0].ranks == ranks


@pytest.mark.parametrize(("value", "reason"), [([0, 0], "one twice"), ([0, 3], "from 0 to 2"), (7, "expected a list")])
def test_an_order_that_is_none(value: object, reason: str) -> None:
    values = {"prompt": "q", "answers": "x[*]", "order": {"path": "r", "best": "first", "positions_from": 0}}
    with pytest.raises(BadFeedback, match=reason):
        read(values, {"q": "Q?", "x": ["A", "B", "C"], "r": value})


def test_a_correction_and_the_models() -> None:
    values = {"prompt": "q", "answers": ["draft", "final"], "correction": True, "models": ["m", "who"]}
    event = read(values, {"q": "Q?", "draft": "A", "final": "B", "m": "x", "who": "ann"})
    assert (event.kind, [(one.text, one.origin, one.parent_ix, one.model) for one in event.responses]) == (
        "correction",
        [("A", "unknown", None, "x"), ("B", "human_edit", 0, "ann")],
    )


def test_a_map_without_answers_adds_fields_to_a_known_form() -> None:
    values = {"constant": {"licence": "CC-BY-4.0"}, "fields": {"annotator_id": "who"}}
    event = read(values, {"prompt": "Q?", "chosen": "A", "rejected": "B", "who": "ann"})
    assert (event.kind, best(event), event.licence, event.annotator_id) == ("comparison", "A", "CC-BY-4.0", "ann")


def test_a_list_of_texts_is_not_one_text() -> None:
    with pytest.raises(BadFeedback, match=r"x is a list of texts.*write x\[\*\]"):
        read({"prompt": "q", "answers": ["x"]}, {"q": "Q?", "x": ["A", "B"]})


def test_one_answer_is_in_no_order() -> None:
    with pytest.raises(BadFeedback, match="one answer, expected several"):
        read({"prompt": "q", "answers": "x[*]", "order": "best_first"}, {"q": "Q?", "x": ["A"]})


def test_an_answer_that_is_json_is_a_text() -> None:
    row = {"q": "List three numbers.", "a": "[1, 2, 3]", "b": '{"numbers": 3}', "v": "a"}
    values = {"prompt": "q", "answers": ["a", "b"], "winner": {"path": "v", "values": {"a": 0}}}
    assert [response.text for response in read(values, row).responses] == ["[1, 2, 3]", '{"numbers": 3}']


def test_columns_that_are_joined_are_kept() -> None:
    event = read({"prompt": ["do", "with"], "answers": ["a"]}, {"do": "Sum up:", "with": "Q?", "a": "A", "n": 1})
    assert [turn.content for turn in event.prompt] == ["Sum up:\n\nQ?"]
    assert event.extra == {"do": "Sum up:", "with": "Q?", "n": 1}


def test_an_unknown_speaker() -> None:
    turns = {"role": "by", "content": "text", "speakers": {"me": "user"}}
    with pytest.raises(BadFeedback, match="by is 'you', expected one of me"):
        read({"prompt": "t", "answers": ["a"], "turns": turns}, {"t": [{"by": "you", "text": "Q?"}], "a": "A"})


def written_in_docs() -> list[str]:
    """The maps in docs/feedback.md: whole ones, and the parts in the table, completed where the rest is missing."""
    page = (ROOT / "docs/feedback.md").read_text(encoding="utf-8")
    section = page[page.index("### A map for other columns") : page.index("### Sources")]
    whole = [text for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL) for text in block.split("---\n")]
    rows = [row.split("|")[2] for row in section.splitlines() if row.startswith("| ")][2:]
    parts = [part for row in rows for part in re.findall(r"`([^`]+)`", row)]
    return [*whole, *(completed(part.replace("…", "{path: v, values: {a: 0}}")) for part in parts)]


def completed(part: str) -> str:
    if part.startswith("values:"):
        part = f"winner: {{path: vote, {part}}}"
    decided = any(word in part for word in ("winner", "scores", "order", "correction"))
    single = any(word in part for word in ("good", "stars", "prompt:", "system:", "turns:", "criterion"))
    answers = "[a]" if single else "[a, b, c]" if "order" in part else "a[*]" if "[*]" in part else "[a, b]"
    more = [f"answers: {'a[*]' if 'positions_from' in part else answers}", "" if "prompt:" in part else "prompt: q"]
    return "\n".join([part, *more, "" if decided or single else "order: best_first"])


@pytest.mark.parametrize("text", written_in_docs())
def test_the_maps_in_the_docs_are_maps(text: str, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(text)
    assert fieldmap.load(tmp_path / "map.yaml").answers
