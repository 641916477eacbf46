"""Feedback whose prompts the chat template of the round's base model refuses."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from feedback import positions
from feedback.schema import FeedbackEvent, Message, RejectedRecord
from feedback.sources import Source
from models.policy import ModelSettings
from models.templates import Template
from tasks.state.round import Round


class CheckedEvents(NamedTuple):
    """Events, without those that the chat template refuses."""

    taken: list[FeedbackEvent]
    refused: list[tuple[FeedbackEvent, str]]
    """Each with the template's reason."""


def check(round: Round, events: Iterable[FeedbackEvent]) -> CheckedEvents:
    """Divide events by whether the chat template of the round's base model takes their prompts."""
    return divided(round.knobs("model", ModelSettings), events)


def divided(base: ModelSettings, events: Iterable[FeedbackEvent]) -> CheckedEvents:
    """Divide events by whether the chat template of a base model takes their prompts."""
    template = Template(base)
    checked = CheckedEvents([], [])
    for event in events:
        reason = template.refusal(_turns(event.prompt))
        if reason is None:
            checked.taken.append(event)
        else:
            checked.refused.append((event, reason))
    return checked


def taken(round: Round, prompts: Iterable[tuple[Message, ...]]) -> list[tuple[Message, ...]]:
    """The prompts that the chat template of the round's base model takes."""
    template = Template(round.knobs("model", ModelSettings))
    return [prompt for prompt in prompts if template.refusal(_turns(prompt)) is None]


def rejections(refused: Sequence[tuple[FeedbackEvent, str]], sources: Iterable[Source]) -> list[RejectedRecord]:
    """Refused events as rejected records, with file and line where their source reads files."""
    wanted = {event.source_sha256 for event, _ in refused if event.source_sha256}
    files = [file for source in sources for file in _files(source)] if wanted else []
    found = positions.find(files, wanted)
    return [positions.rejected(event, reason, found) for event, reason in refused]


def _files(source: Source) -> list[Path]:
    """The files of a source that has a `path`: the file itself, or those in the folder."""
    path = getattr(source, "path", None)
    if not isinstance(path, Path):
        return []
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def _turns(prompt: Sequence[Message]) -> list[dict[str, str]]:
    return [turn.model_dump() for turn in prompt]
