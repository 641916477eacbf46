"""Feedback whose prompts the chat template of the round's base model refuses."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple

from feedback import positions
from feedback.schema import FeedbackEvent, Message, RejectedRecord, Turn
from feedback.sources import Source
from feedback.stored import AnyEvent, Event
from models.policy import ModelSettings
from models.templates import Template
from tasks.state import model
from tasks.state.round import Round


class CheckedEvents(NamedTuple, Generic[AnyEvent]):
    """Events, without those that the chat template refuses."""

    taken: list[AnyEvent]
    refused: list[tuple[AnyEvent, str]]
    """Each with the template's reason."""


def check(round: Round, events: Iterable[AnyEvent]) -> CheckedEvents[AnyEvent]:
    """Divide events by whether the chat template of the round's base model takes their prompts."""
    return divided(model.settings(round), events)


def divided(base: ModelSettings, events: Iterable[AnyEvent]) -> CheckedEvents[AnyEvent]:
    """Divide events by whether the chat template of a base model takes their prompts."""
    template = Template(base)
    checked: CheckedEvents[AnyEvent] = CheckedEvents([], [])
    for event in events:
        if reason := template.refusal(_turns(event.prompt)):
            checked.refused.append((event, reason))
        else:
            checked.taken.append(event)
    return checked


def refusal(round: Round) -> Callable[[Event], str | None]:
    """A function that returns why the chat template refuses the prompt of an event; None if it takes it."""
    template = Template(model.settings(round))
    return lambda event: template.refusal(_turns(event.prompt))


def taken(round: Round, prompts: Iterable[tuple[Message, ...]]) -> list[tuple[Message, ...]]:
    """The prompts that the chat template of the round's base model takes."""
    template = Template(model.settings(round))
    return [prompt for prompt in prompts if template.refusal(_turns(prompt)) is None]


def rejections(refused: Sequence[tuple[FeedbackEvent, str]], sources: Iterable[Source]) -> list[RejectedRecord]:
    """Refused events as rejected records, with file and line where their source reads files."""
    wanted = {event.source_sha256 for event, _ in refused if event.source_sha256}
    files = [file for source in sources for file in source.files()] if wanted else []
    found = positions.find(files, wanted)
    return [positions.rejected(event, reason, found) for event, reason in refused]


def _turns(prompt: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in prompt]
