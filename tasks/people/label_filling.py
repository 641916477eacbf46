"""Filling labelling queues: from collected answers, from served ones, or from files; and removing them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from core.errors import BadFeedback, NotFound
from feedback import label_items, lines
from feedback import pairs as pair_files
from feedback.forgotten import pseudonym
from feedback.label_items import LabelItem
from feedback.labels import LabelKind
from feedback.schema import Message, Prompt, Response
from feedback.sources import AnswerPair
from feedback.store.erasure import GONE
from tasks.state import feedback_database, tombstones
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.answers import ServedAnswer
    from feedback.store.label_queues import LabelQueueState

CONSENT = "opt-in"
"""Consent of the askers of served answers that are judged, unless others are named."""

_SHOWN = 5
"""How many lines that cannot be used a message shows."""


class Filled(NamedTuple):
    """What was added to a queue."""

    new: int
    known: int
    """Items that the queue had already."""


def collected(workspace: Workspace, kind: LabelKind) -> list[LabelItem]:
    """The items of the answers that the last round collected (`data/answers`).

    Raises:
        NotFound: there are none.
    """
    pairs = [pair for pair in _pairs(workspace) if not _is_purged(pair)]
    if not pairs:
        raise NotFound(
            f"{workspace.answers} has no answers that were collected; add the source label_page to ingest.sources: the "
            "next round then collects answers of its champion"
        )
    prompts: dict[Prompt, dict[str, Response]] = {}
    if kind == "comparison":
        return [item for pair in pairs for item in label_items.of_answers(kind, pair.prompt, pair.responses)]
    for pair in pairs:
        prompts.setdefault(pair.prompt, {}).update((answer.response_id, answer) for answer in pair.responses)
    return [
        item for prompt, by_id in prompts.items() for item in label_items.of_answers(kind, prompt, [*by_id.values()])
    ]


def served(workspace: Workspace, kind: LabelKind, consents: Collection[str]) -> list[LabelItem]:
    """The items of answers that the server gave to people who gave one of these consents.

    Of a comparison, every two answers to one request. Answers to forgotten people are left out.

    Raises:
        NotFound: there are none.
    """
    found = [answer for answer in _served(workspace, consents) if not answer.redacted]
    items = [
        item
        for answers in _by_completion(found)
        for item in label_items.of_answers(
            kind, answers[0].prompt, [*map(_response, answers)], answers[0].consent, answers[0].annotator
        )
    ]
    if not items:
        raise NotFound(
            f"no answers of the server can be judged with the consent {' or '.join(sorted(consents))}; name another "
            "one with `--consent`, or wait until there are some"
        )
    return items


def of_files(files: Sequence[Path], kind: LabelKind, gold: bool) -> list[LabelItem]:
    """The items of all records of some files.

    Raises:
        BadFeedback: a record cannot be used; names file, line and reason of the first five. None is taken then.
    """
    items: list[LabelItem] = []
    problems: list[str] = []
    for line in (line for file in files for line in lines.read(file)):
        try:
            record = lines.parse(line)
            items += [label_items.of_gold(record)] if gold else label_items.of_record(record, kind)
        except BadFeedback as error:
            problems.append(f"  {line.where}: {error}")
    if problems:
        shown = "\n".join(problems[:_SHOWN])
        raise BadFeedback(
            f"{len(problems)} records cannot be used, so nothing was added; correct or remove them:\n{shown}"
        )
    return items


def add(workspace: Workspace, name: str, items: Iterable[LabelItem], overlap: int, gold: bool = False) -> Filled:
    """Add items to a labelling queue, which is made if it is new. An item that it has already stays as it is.

    Raises:
        BadParams: the name cannot be used.
        NoDatabase: the feedback database does not answer.
    """
    from feedback.store import label_queues
    from feedback.store.queue import QueueItem

    new = {item.item: QueueItem(item.item, item.record) for item in items}
    with feedback_database.opened(workspace) as database:
        count = label_queues.add(database, name, [*new.values()], overlap, gold)
    return Filled(count, len(new) - count)


def queues(workspace: Workspace) -> "list[LabelQueueState]":
    """All labelling queues, in the order in which they were made."""
    if not feedback_database.exists(workspace):
        return []
    from feedback.store import label_queues

    with feedback_database.opened(workspace) as database:
        return label_queues.states(database, datetime.now(UTC))


def remove(workspace: Workspace, name: str, write: bool) -> "LabelQueueState":
    """Remove a queue with its gold items; what was judged stays. Returns what it was; without `write`, what it is.

    Raises:
        NotFound: there is no queue of this name.
    """
    known = {state.name: state for state in queues(workspace)}
    if name not in known:
        raise NotFound(f"there is no labelling queue {name[:40]!r}; there are: {', '.join(known) or 'none'}")
    if write:
        from feedback.store import label_queues

        with feedback_database.opened(workspace) as database:
            label_queues.remove(database, name)
    return known[name]


def _pairs(workspace: Workspace) -> list[AnswerPair]:
    return pair_files.read(workspace.answers) if workspace.answers.exists() else []


def _is_purged(pair: AnswerPair) -> bool:
    """Whether a purge replaced a text of the pair."""
    return any(text == GONE for text in (*(turn.content for turn in pair.prompt), *(a.text for a in pair.responses)))


def _served(workspace: Workspace, consents: Collection[str]) -> "list[ServedAnswer]":
    if not feedback_database.exists(workspace):
        return []
    from feedback.store import answers

    gone = tombstones.forgotten(workspace)
    with feedback_database.opened(workspace) as database:
        firsts = answers.consented(database, consents, datetime.now(UTC))
        kept = [answer for answer in firsts if pseudonym(answer.annotator) not in gone]
        return [each for first in kept for each in answers.of_completion(database, first.completion)]


def _by_completion(answers: "Iterable[ServedAnswer]") -> "Iterator[list[ServedAnswer]]":
    groups: dict[str, list[ServedAnswer]] = {}
    for answer in answers:
        groups.setdefault(answer.completion, []).append(answer)
    yield from groups.values()


def _response(answer: "ServedAnswer") -> Response:
    turn = Message(role="assistant", content=answer.text)
    return Response(
        response_id=answer.response_id,
        messages=(turn,),
        origin="model",
        model="policy",
        model_version=answer.version,
    )
