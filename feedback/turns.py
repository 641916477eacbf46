r"""Prompts and answers as turns: texts, lists of `{role, content}`, and answers that are whole conversations.

A text that begins with `\n\nHuman:` is a transcript (`feedback.transcripts`), and one that is a JSON list of
`{role, content}` is that list. Both are read as turns, never as the text of one.
"""

from collections.abc import Mapping, Sequence
from itertools import islice, takewhile
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from core.errors import BadFeedback
from feedback import json_text, transcripts
from feedback.faults import reason_of
from feedback.limits import MOST_TURNS
from feedback.schema import Message
from feedback.unicode_forms import normalise

_VALIDATED = TypeAdapter(tuple[Message, ...]).validator.validate_python
_SPEAKERS = {"developer": "system"}
"""Names of roles that others use → ours."""

Kept = dict[str, Any]
"""What a turn has beside role and content: position of the turn → keys and values."""


class Conversations(NamedTuple):
    """A prompt, and one answer to it per name."""

    prompt: tuple[Message, ...]
    answers: dict[str, Message]
    kept: Kept


def conversations(prompt: object, answers: Mapping[str, object], field: str = "prompt") -> Conversations:
    """The turns of a prompt and of the answers to it.

    An answer that begins with a turn of the user or the system is a whole conversation: it must begin with the prompt.
    The prompt is then the longest common beginning of all conversations, and every answer the one turn that follows.
    Without a prompt (None), all answers are whole conversations.

    Raises:
        BadFeedback: a text is missing, empty or of a wrong type, an answer belongs to another prompt, or is more than
            one turn.
    """
    kept: Kept = {}
    start = () if prompt is None else turns(prompt, "user", field, kept)
    if isinstance(prompt, str) and transcripts.is_one(prompt):  # the space after `Assistant:` is not of the answer
        answers = {name: answer.lstrip(" ") if isinstance(answer, str) else answer for name, answer in answers.items()}
    given = {name: turns(value, "assistant", name, kept) for name, value in answers.items()}
    if start and all(len(answer) == 1 and answer[0].role == "assistant" for answer in given.values()):
        return Conversations(start, {name: answer[0] for name, answer in given.items()}, kept)
    whole = {name: _whole(start, answer, name) for name, answer in given.items()}
    for name, conversation in whole.items():
        if conversation[-1].role != "assistant":
            raise BadFeedback(f"{name} ends with another turn, expected one of the assistant")
    shared = _common(list(whole.values()), len(start))
    if not shared and len(whole) == 1:
        raise BadFeedback(f"{', '.join(whole)} has one turn, expected a prompt and an answer to it")
    if not shared:
        raise BadFeedback(f"{' and '.join(whole)} begin with different turns, expected one prompt with several answers")
    for name, conversation in whole.items():
        _check_end(name, len(conversation) - len(shared))
    return Conversations(shared, {name: conversation[-1] for name, conversation in whole.items()}, kept)


def turns(value: object, role: Literal["user", "assistant"], field: str, kept: Kept) -> tuple[Message, ...]:
    """A text or a list of turns as messages; what a turn has beside role and content is put into `kept`.

    Raises:
        BadFeedback: it is neither of both, or empty.
    """
    if isinstance(value, str):
        value = _written(value, role, field)
    if isinstance(value, str):
        value = [{"role": role, "content": value}] if value.strip() else []
    elif isinstance(value, list | tuple):
        if value and all(isinstance(turn, str) for turn in value):
            raise BadFeedback(f"{field} is a list of texts, expected one text or a list of messages")
        if len(value) > MOST_TURNS:
            raise BadFeedback(f"{field} has {len(value):,} turns, expected at most {MOST_TURNS:,}; leave out the first")
        value = [_turn(turn, f"{field}[{ix}]", kept) for ix, turn in enumerate(value)]
    else:
        raise BadFeedback(f"{field} is neither a string nor a list of messages, expected one of the two")
    if not value:
        raise BadFeedback(f"{field} is empty, expected text")
    try:
        messages: tuple[Message, ...] = _VALIDATED(value)
        return messages
    except ValidationError as error:
        raise BadFeedback(reason_of(error, field)) from error


def _written(text: str, role: Literal["user", "assistant"], field: str) -> object:
    """The turns that a text is a transcript or JSON of; any other text as it is."""
    if text[:1] not in ("\n", "["):
        return text
    if transcripts.is_one(text, whole=role == "user"):
        return transcripts.conversation(text, field)
    try:
        value = json_text.loads(text)
    except (ValueError, RecursionError):
        return text
    turns = value if isinstance(value, list) else []
    written = bool(turns) and all(isinstance(turn, dict) and {"role", "content"} <= turn.keys() for turn in turns)
    return turns if written else text


def _turn(turn: object, position: str, kept: Kept) -> object:
    """A turn with role and content only."""
    if not isinstance(turn, Mapping):
        return turn
    others = {name: value for name, value in turn.items() if name not in ("role", "content")}
    content, role = turn.get("content"), turn.get("role")
    if isinstance(content, list):
        others |= {"content": content} if len(content) > 1 else {}
        content = _text_of_parts(content, position)
    if isinstance(role, str) and role in _SPEAKERS:
        others |= {"role": role}
        role = _SPEAKERS[role]
    if others:
        kept[position] = others
    stated = {"role": role, "content": content}
    return {name: value for name, value in stated.items() if value is not None}


def _text_of_parts(parts: Sequence[object], position: str) -> str:
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise BadFeedback(f"{position}.content has a part that is no text, expected texts only")
    return "\n".join(str(text) for text in texts)


def _whole(prompt: tuple[Message, ...], answer: tuple[Message, ...], name: str) -> tuple[Message, ...]:
    """The conversation that ends with an answer."""
    if prompt and answer[0].role == "assistant":
        return (*prompt, *answer)
    wanted, given = _forms(prompt), _forms(answer)
    start = next((ix for ix in _starts(answer) if given[ix : ix + len(prompt)] == wanted), None)
    if start is None:
        raise BadFeedback(
            f"{name} is a conversation that does not begin with the prompt, expected the same first turns"
        )
    return (*answer[:start], *prompt, *answer[start + len(prompt) :])


def _starts(answer: tuple[Message, ...]) -> range:
    """Where the prompt may begin: at the first turn, or after system turns that the prompt leaves out."""
    system = next((ix for ix, turn in enumerate(answer) if turn.role != "system"), 0)
    return range(system + 1)


def _forms(turns: Sequence[Message]) -> list[tuple[str, str]]:
    """Roles and texts as they are compared."""
    return [(turn.role, normalise(turn.content)) for turn in turns]


def _common(conversations: Sequence[tuple[Message, ...]], least: int) -> tuple[Message, ...]:
    """The longest common beginning that leaves one turn to every conversation."""
    longest = min(len(conversation) for conversation in conversations) - 1
    first = conversations[0]
    equal = takewhile(lambda turns: all(turn == turns[0] for turn in turns), zip(*conversations, strict=False))
    common = sum(1 for _ in islice(equal, longest))
    return first[: min(common, longest)] if common >= min(least, longest) else ()


def _check_end(name: str, count: int) -> None:
    if count > 1:
        raise BadFeedback(
            f"{name} has {count} turns after the common beginning of all answers, expected one: the judged answer"
        )
