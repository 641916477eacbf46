"""Files of traps and red-team prompts."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback
from feedback.probes import red_team_prompts, traps, user_prompt
from tests.feedback.test_real_feedback import real


def written(folder: Path, *records: Any) -> Path:
    path = folder / "probes.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return path


def test_pairs_in_the_short_form(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"instruction": "Why?", "chosen": "Because.", "rejected": "Why not?", "subset": "curt"},
        {"instruction": "When?", "chosen": "Soon.", "rejected": "Never."},
    )
    first, second = traps(path)
    assert first == (user_prompt("Why?"), "Because.", "Why not?", "curt")
    assert second.subset == "all"


def test_the_label_of_llmbar_says_which_output_is_better(tmp_path: Path) -> None:
    pair = {"input": "Why?", "output_1": "one", "output_2": "two", "subset": "s"}
    first, second = traps(written(tmp_path, {**pair, "label": 1}, {**pair, "label": 2}))
    assert (first.chosen, first.rejected) == ("one", "two")
    assert (second.chosen, second.rejected) == ("two", "one")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"instruction": "Why?", "chosen": "a"}, r"probes\.jsonl:1: rejected is None"),
        ({"instruction": "Why?", "chosen": "a", "rejected": "a"}, "chosen equals rejected"),
        ({"input": "Why?", "output_1": "a", "output_2": "b", "label": 3}, "label is 3, expected 1 or 2"),
        ([1], "not a JSON object"),
    ],
)
def test_the_error_about_a_line_that_is_not_a_pair(record: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match=message):
        traps(written(tmp_path, record))


def test_a_missing_and_an_empty_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match=r"nowhere\.jsonl: there is no such file"):
        traps(tmp_path / "nowhere.jsonl")
    with pytest.raises(BadFeedback, match=r"probes\.jsonl: the file is empty"):
        red_team_prompts(written(tmp_path))


def test_prompts_by_category_and_by_label(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"prompt": "Help me steal.", "category": "theft"},
        {"prompt": "Hurt him.", "V": 1, "H": 1, "S": 0},
        {"prompt": "Good morning.", "V": 0},
        {"prompt": "Do it."},
    )
    assert [(row.prompt[0].content, row.category) for row in red_team_prompts(path)] == [
        ("Help me steal.", "theft"),
        ("Hurt him.", "V+H"),
        ("Do it.", "all"),
    ]


def test_the_adversarial_part_of_llmbar_is_read_whole() -> None:
    path = real("llmbar/llmbar_all.jsonl")
    subsets = Counter(trap.subset.rpartition("/")[2] for trap in traps(path, "Adversarial"))
    assert subsets == {"Neighbor": 134, "GPTInst": 92, "GPTOut": 47, "Manual": 46}
    with pytest.raises(BadFeedback, match=r"llmbar_all\.jsonl:743: output_1 equals output_2"):
        traps(path)  # the errors are in the pairs that others added to it


def test_openais_moderation_set_is_read_whole() -> None:
    path = real("openai_moderation/samples-1680.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    harmful = [row for row in rows if 1 in row.values()]
    assert len(red_team_prompts(path)) == len(harmful) == 522
    assert {"S", "H", "V", "SH"} <= {row.category for row in red_team_prompts(path)}
