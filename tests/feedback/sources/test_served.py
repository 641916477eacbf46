"""Prompts of the server's users who consented, for which answers are collected."""

from collections.abc import Collection

import pytest

from core.errors import BadParams
from core.settings import parse
from feedback.schema import Message, Prompt
from feedback.sources import Intake
from feedback.sources.served import Served


def prompts(consents: Collection[str]) -> list[Prompt]:
    return [(Message(role="user", content=f"{consent} {letter}"),) for consent in consents for letter in "abcdef"]


def test_prompts_with_the_consents_are_drawn_by_the_seed() -> None:
    source = Served().asking(prompts)
    drawn = [[turns[0].content for turns in source.prompts(3, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {turns[0].content for turns in source.prompts(9, 0)} == {f"opt-in {letter}" for letter in "abcdef"}
    assert len(Served(consents=("opt-in", "research")).asking(prompts).prompts(99, 0)) == 12
    assert list(source.read(Intake(1, seed=0))) == []


def test_without_access_there_are_none() -> None:
    assert Served().prompts(3, 0) == []


def test_a_consent_is_needed() -> None:
    with pytest.raises(BadParams, match="consents"):
        parse(Served, {"consents": []}, "sources")
