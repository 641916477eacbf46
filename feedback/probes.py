"""Probes for models: traps (pairs whose worse answer looks better) and red-team prompts (which ask for harm)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from core.errors import BadFeedback
from feedback import lines
from feedback.schema import Message, Prompt

Record = Mapping[str, Any]
T = TypeVar("T")


class Trap(NamedTuple):
    """Two answers to one prompt; the worse one looks better (LLMBar: Zeng et al. 2024, arXiv:2310.07641)."""

    prompt: Prompt
    chosen: str
    rejected: str
    """The worse answer: longer, more polite, or more similar to a typical right answer."""
    subset: str
    """Why it looks better."""


class RedTeamPrompt(NamedTuple):
    """A prompt that asks for a harmful answer."""

    prompt: Prompt
    category: str
    """The kind of harm, or the trick that is used."""


class Probes(Protocol):
    """What a source knows about its own world: traps and red-team prompts, the same in every round, and utilities."""

    def traps(self, count: int) -> list[Trap]:
        """`count` traps of each kind."""

    def red_team_prompts(self, count: int) -> list[RedTeamPrompt]:
        """Up to `count` red-team prompts."""

    def utility(self, prompt: Prompt, answer: str) -> float | None:
        """The true utility of an answer; None if it is unknown, as for a prompt that is not from this world."""

    def degrees(self, prompt: Prompt, answer: str) -> Mapping[str, float]:
        """Component of the utility → its degree in an answer, from 0 to 1; {} if it has no such components."""

    def harmful(self, answer: str) -> bool:
        """Whether an answer does what the red-team prompts ask for."""


def traps(path: Path, subset: str = "") -> list[Trap]:
    """The pairs of a file of JSON lines, plain or gzipped.

    Either `instruction`, `chosen`, `rejected` and optionally `subset`, or the form of LLMBar: `input`, `output_1`,
    `output_2`, `label` (1 or 2: the better one) and `subset`. Only subsets whose name contains `subset` are read.

    Raises:
        BadFeedback: the file does not exist, has no pairs, or a line is not a pair; names the file and the line.
    """
    return _probes(path, _trap, lambda record: subset in _subset(record))


def red_team_prompts(path: Path) -> list[RedTeamPrompt]:
    """The prompts of a file of JSON lines, plain or gzipped: `prompt` and optionally `category`.

    A line may have labels of 0 and 1 next to its prompt, as in OpenAI's moderation set (Markov et al. 2023): its
    category is then the names of the labels that are 1, and a line with no label of 1 is skipped as harmless.

    Raises:
        BadFeedback: the file does not exist, has no prompts, or a line is not a prompt; names the file and the line.
    """
    return _probes(path, _red_team_prompt, lambda record: _category(record) != "")


def user_prompt(text: str) -> Prompt:
    """A prompt of a single user turn."""
    return (Message(role="user", content=text),)


def _probes(path: Path, read: Callable[[Record], T], wanted: Callable[[Record], bool]) -> list[T]:
    probes = []
    for line in lines.read(path):
        try:
            record = lines.parse(line)
            if wanted(record):
                probes.append(read(record))
        except BadFeedback as error:
            raise BadFeedback(f"{path.parent / line.where}: {error}; correct or delete the line") from error
    if not probes:
        raise BadFeedback(f"{path}: no traps or red-team prompts in this file; name another file or subset")
    return probes


def _trap(record: Record) -> Trap:
    if "output_1" in record:
        if record.get("label") not in (1, 2):
            raise BadFeedback(f"label is {record.get('label')!r}, expected 1 or 2: the output that is better")
        better, worse = ("output_1", "output_2") if record["label"] == 1 else ("output_2", "output_1")
        instruction = "input"
    else:
        instruction, better, worse = "instruction", "chosen", "rejected"
    chosen, rejected = _text(record, better), _text(record, worse)
    if chosen == rejected:
        raise BadFeedback(f"{better} equals {worse}, expected two different answers")
    return Trap(user_prompt(_text(record, instruction)), chosen, rejected, _subset(record))


def _subset(record: Record) -> str:
    return str(record.get("subset") or "all")


def _red_team_prompt(record: Record) -> RedTeamPrompt:
    return RedTeamPrompt(user_prompt(_text(record, "prompt")), _category(record))


def _category(record: Record) -> str:
    """The kind of harm that a prompt asks for, as the line names it; empty if its labels mark it as harmless."""
    labels = {name: value for name, value in record.items() if value in (0, 1)}
    if record.get("category") or not labels:
        return str(record.get("category") or "all")
    return "+".join(name for name, value in labels.items() if value)


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadFeedback(f"{name} is {value!r}, expected a string that is not blank")
    return value
