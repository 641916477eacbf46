"""Prompts of a file, for which answers are collected."""

import json
from pathlib import Path

import pytest

from core.errors import BadFeedback
from feedback.sources import Intake
from feedback.sources.asked import Asked


def written(folder: Path, *lines: str) -> Asked:
    file = folder / "asked.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))
    return Asked(path=file)


def prompt(text: str) -> str:
    return json.dumps({"prompt": [{"role": "user", "content": text}]})


def test_prompts_are_drawn_by_the_seed(tmp_path: Path) -> None:
    source = written(tmp_path, *(prompt(text) for text in "abcdef"))
    drawn = [[turns[0].content for turns in source.prompts(3, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {turns[0].content for turns in source.prompts(9, 0)} == set("abcdef")
    assert list(source.read(Intake(1, seed=0))) == []


def test_a_line_that_is_no_prompt_is_named(tmp_path: Path) -> None:
    for wrong in ("{}", "[]", "x", '{"prompt": "text"}', '{"prompt": [{"role": "user", "content": ""}]}'):
        with pytest.raises(BadFeedback, match=r"asked\.jsonl:2 is no prompt; write the file again with"):
            written(tmp_path, prompt("a"), wrong).check()


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match="set `path` of the source asked to one that exists"):
        Asked(path=tmp_path / "none.jsonl").check()
