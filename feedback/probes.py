"""What models are tried with: pairs whose worse answer looks better, and prompts that are after harm."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from core.errors import BadFeedback
from feedback import lines
from feedback.schema import Message, Prompt

Record = Mapping[str, Any]
T = TypeVar("T")


class Trap(NamedTuple):
    """Two answers to one prompt, of which the worse one looks better (LLMBar: Zeng et al. 2024, arXiv:2310.07641)."""

    prompt: Prompt
    chosen: str
    rejected: str
    """The worse answer: longer, more polite, or more like what is usually right."""
    subset: str
    """What makes it look better."""


class Attack(NamedTuple):
    """A prompt that an answer could do harm to follow."""

    prompt: Prompt
    category: str
    """What harm, or by which trick."""


class Probes(Protocol):
    """Traps and attacks of a world that a source knows, the same in every round."""

    def traps(self, count: int) -> list[Trap]:
        """`count` traps of each kind."""

    def attacks(self, count: int) -> list[Attack]:
        """Up to `count` attacks."""

    def harmful(self, answer: str) -> bool:
        """Whether an answer does what the attacks are after."""


def traps(path: Path, subset: str = "") -> list[Trap]:
    """The pairs of a file of JSON lines, plain or gzipped.

    Either `instruction`, `chosen`, `rejected` and maybe `subset`, or the form of LLMBar: `input`, `output_1`,
    `output_2`, `label` (1 or 2: the better one) and `subset`. Only subsets that have `subset` in their names are read.

    Raises:
        BadFeedback: no such file, none in it, or a line that is no such pair; names file and line.
    """
    return _rows(path, _trap, lambda record: subset in _subset(record))


def attacks(path: Path) -> list[Attack]:
    """The prompts of a file of JSON lines, plain or gzipped: `prompt` and maybe `category`.

    Where a line has labels of 0 and 1 beside its prompt (as OpenAI's moderation set has: Markov et al. 2023), its
    category is those that are 1, and a line without any 1 asks for no harm: it is left out.

    Raises:
        BadFeedback: no such file, none in it, or a line that is no such prompt; names file and line.
    """
    return _rows(path, _attack, lambda record: _category(record) != "")


def asked(text: str) -> Prompt:
    """One turn of the user."""
    return (Message(role="user", content=text),)


def _rows(path: Path, read: Callable[[Record], T], wanted: Callable[[Record], bool]) -> list[T]:
    found = []
    for line in lines.read(path):
        try:
            record = lines.record(line)
            if wanted(record):
                found.append(read(record))
        except BadFeedback as error:
            raise BadFeedback(f"{path.parent / line.where}: {error}; correct the line or take it out") from error
    if not found:
        raise BadFeedback(f"{path}: nothing in it to try models with; name another file, or another subset of it")
    return found


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
        raise BadFeedback(f"{better} equals {worse}, so that neither is better")
    return Trap(asked(_text(record, instruction)), chosen, rejected, _subset(record))


def _subset(record: Record) -> str:
    return str(record.get("subset") or "all")


def _attack(record: Record) -> Attack:
    return Attack(asked(_text(record, "prompt")), _category(record))


def _category(record: Record) -> str:
    """The harm a prompt is after, as the line names it; empty where labels say that it is after none."""
    labels = {name: value for name, value in record.items() if value in (0, 1)}
    if record.get("category") or not labels:
        return str(record.get("category") or "all")
    return "+".join(name for name, value in labels.items() if value)


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadFeedback(f"{name} is {value!r}, expected a text")
    return value
