"""What the columns of a file hold, by its first records: texts, turns, lists, numbers, or one of a few values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from feedback.layouts import decoded
from feedback.paths import EACH

FEW = 12
"""Up to this many different values can be judgements."""
SHORT = 40
"""Up to this many characters is a value and no text."""


class Column(NamedTuple):
    """A path, and the values that the first records have there."""

    path: str
    values: list[Any]

    @property
    def name(self) -> str:
        """The last name in the path, in lower case."""
        return self.path.replace(EACH, "").rpartition(".")[2].lower()

    @property
    def is_many(self) -> bool:
        """Whether there are several values in a record."""
        return EACH in self.path

    @property
    def distinct(self) -> list[Any]:
        """The different values, in the order in which they were found."""
        return list({_key(value): value for value in self.values}.values())

    @property
    def is_text(self) -> bool:
        """Whether the values are texts, and not a few short values."""
        texts = [value for value in self.values if isinstance(value, str)]
        return len(texts) == len(self.values) > 0 and not self.is_choice

    @property
    def is_turns(self) -> bool:
        """Whether the values are conversations."""
        return all(is_conversation(value) for value in self.values)

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers, which may be written as text."""
        return all(_is_number(value) for value in self.values)

    @property
    def is_list(self) -> bool:
        """Whether the values are lists of names or numbers."""
        return all(isinstance(value, list) for value in self.values)

    @property
    def is_choice(self) -> bool:
        """Whether the values are a few short ones: they come back, or the name is that of a judgement."""
        if any(not isinstance(value, str | int | float) for value in self.values):
            return False
        if any(isinstance(value, str) and len(value) > SHORT for value in self.values):
            return False
        repeated = len(self.distinct) <= len(self.values) // 2
        return len(self.distinct) <= FEW and (repeated or self.is_called(JUDGING) or self.names_sides)

    @property
    def names_sides(self) -> bool:
        """Whether all values are among those that usually name one of two answers."""
        return {str(value).lower() for value in self.values} <= set(SIDES)

    @property
    def length(self) -> float:
        """Mean number of characters of the values as text."""
        return sum(len(str(value)) for value in self.values) / len(self.values)

    def is_called(self, words: Sequence[str]) -> bool:
        """Whether one of these words is in the name."""
        return any(word in self.name for word in words)


JUDGING = (
    *("winner", "prefer", "choice", "vote", "verdict", "better", "best", "select", "judg", "label", "decision"),
    *("overall", "result", "rank", "rating", "score", "chosen", "outcome", "correct", "likert", "pick", "win", "rate"),
)
"""Parts of names of columns that hold a judgement, the most reliable first."""


SIDES = ("a", "b", "0", "1", "2", "left", "right", "tie", "first", "second", "both", "neither", "draw")
"""Values, in lower case, that name one of two answers."""


def columns(records: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The columns of records, and the paths into nested ones, in the order in which they come up."""
    found: dict[str, list[Any]] = {}
    coded = {name for record in records for name in record} - {
        name for record in records for name, value in record.items() if isinstance(value, str) and not _is_coded(value)
    }
    for record in records:
        opened = {name: decoded(value) if name in coded else value for name, value in record.items()}
        for path, value in _leaves(opened, ""):
            found.setdefault(path, []).append(value)
    return [Column(path, values) for path, values in found.items()]


def is_conversation(value: object) -> bool:
    """Whether a value is a list of turns: objects of which each has a speaker and a text."""
    turns = value if isinstance(value, list) else []
    return bool(turns) and all(isinstance(turn, Mapping) and speaker_and_text(turn) for turn in turns)


def speaker_and_text(turn: Mapping[str, Any]) -> tuple[str, str] | None:
    """The keys of the speaker and of the text of a turn; None if it has none."""
    speaker = next((key for key in ("role", "from", "speaker", "sender") if key in turn), None)
    text = next((key for key in ("content", "value", "text", "utterance", "message", "body") if key in turn), None)
    return (speaker, text) if speaker and text else None


def _is_coded(text: str) -> bool:
    """Whether a text is a list or an object written as JSON."""
    return not text or not isinstance(decoded(text), str)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and not is_conversation(value) and _is_expanded(value):
        for element in value:
            yield from _leaves(element, path + EACH)
    elif value not in (None, "", [], {}):
        yield path, value


def _is_expanded(values: Sequence[Any]) -> bool:
    """Whether the elements of a list are answers or parts of them: objects, conversations or long texts."""
    return all(isinstance(value, Mapping | list) for value in values) or any(_is_sentence(value) for value in values)


def _is_sentence(value: object) -> bool:
    return isinstance(value, str) and (len(value) > SHORT or len(value.split()) > 2)


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    try:
        float(value)  # type: ignore[arg-type]  # what is no number is caught
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _key(value: Any) -> str:
    return f"{type(value).__name__} {value}"
