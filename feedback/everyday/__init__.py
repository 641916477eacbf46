"""Everyday instructions and demonstrations for real chat models, written for this project.

`prompts.yaml` has families of prompts: every topic of a family is put into each of its templates. The prompts on one
topic are one group, so that no topic is in both training and holdout. `demonstrations.txt` has prompts and answers, on
alternate lines. Both are read when first asked for.
"""

from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import yaml

from feedback.probes import user_prompt
from feedback.schema import Prompt, prompt_id

_FOLDER = Path(__file__).parent


class EverydayPrompt(NamedTuple):
    """A prompt and the id of the first prompt on its topic."""

    text: str
    group: str

    @property
    def prompt(self) -> Prompt:
        """The prompt as a single user turn."""
        return user_prompt(self.text)


class EverydayDemonstration(NamedTuple):
    """A prompt with an answer of 25 to 45 words."""

    prompt: str
    answer: str


@cache
def all_prompts() -> tuple[EverydayPrompt, ...]:
    """All prompts, in the order of the file."""
    families = yaml.safe_load((_FOLDER / "prompts.yaml").read_text(encoding="utf-8"))
    topics = [
        [template.replace("{}", topic) for template in family["templates"]]
        for family in families
        for topic in family["topics"]
    ]
    return tuple(EverydayPrompt(text, prompt_id(user_prompt(texts[0]))) for texts in topics for text in texts)


def prompts(count: int, seed: int) -> list[EverydayPrompt]:
    """Up to `count` distinct prompts, determined by the seed."""
    every = all_prompts()
    return Random(f"everyday {seed}").sample(every, min(count, len(every)))


def group(prompt: Prompt) -> str | None:
    """The group of a prompt; None for a prompt from elsewhere."""
    return _groups().get(prompt[0].content) if len(prompt) == 1 else None


@cache
def demonstrations() -> tuple[EverydayDemonstration, ...]:
    """All demonstrations, in the order of the file."""
    lines = (_FOLDER / "demonstrations.txt").read_text(encoding="utf-8").splitlines()
    return tuple(map(EverydayDemonstration, lines[::2], lines[1::2]))


@cache
def _groups() -> dict[str, str]:
    return {prompt.text: prompt.group for prompt in all_prompts()}
