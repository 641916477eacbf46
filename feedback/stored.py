"""Stored events as training reads them: tuples of the fields that it needs, made from Arrow columns.

They were validated before they were stored, so they are not validated again. Equal prompts, judgements and ids are one
object.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from feedback.schema import FeedbackEvent, Judgement, Kind, Outcome, Response, Role


class StoredTurn(NamedTuple):
    """One turn of a prompt."""

    role: Role
    content: str


class StoredPrompt(NamedTuple):
    """A prompt and its group, as in `feedback.schema.GroupedPrompt`."""

    prompt_id: str
    prompt_group: str
    prompt: tuple[StoredTurn, ...]

    @property
    def group(self) -> str:
        """The group, which never changes."""
        return self.prompt_group


class StoredAnswer(NamedTuple):
    """One answer that was judged."""

    text: str
    """The text of its last message."""
    parent_ix: int | None
    model: str | None
    model_version: str | None


class StoredJudgement(NamedTuple):
    """A judgement of the answers under one criterion, as in `feedback.schema.Judgement`."""

    criterion: str
    outcome: Outcome
    ranks: tuple[int | None, ...] | None
    scores: tuple[float | None, ...] | None
    scale_min: float | None
    scale_max: float | None
    strength: float | None
    strength_max: float | None
    label: str | None
    tags: tuple[str, ...]


class StoredEvent(NamedTuple):
    """The fields of a stored event that training needs, as in `feedback.schema.FeedbackEvent`."""

    feedback_id: str
    kind: Kind
    prompt_id: str
    prompt_group: str
    prompt: tuple[StoredTurn, ...]
    responses: tuple[StoredAnswer, ...]
    shown_order: tuple[int, ...] | None
    judgements: tuple[StoredJudgement, ...]
    annotator_id: str
    annotator_type: str
    created_at: datetime | None
    duration_ms: int | None
    round: int
    guideline_version: str | None
    source: str
    licence: str
    consent: str
    status: str
    supersedes: str | None
    flags: tuple[str, ...]


AnyJudgement = Judgement | StoredJudgement
Event = FeedbackEvent | StoredEvent
"""An event as it was read from a source, or as it is stored."""

Answer = Response | StoredAnswer
AnyEvent = TypeVar("AnyEvent", bound=Event)

EventsWith = Callable[[Collection[str]], Sequence[Event]]
"""The events with these prompt ids, in the order of their arrival."""

COLUMNS = list(StoredEvent._fields)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Decoder:
    """Makes events from batches of rows; equal values of all batches are shared."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}

    def events(self, batch: pa.RecordBatch) -> Iterator[StoredEvent]:
        """The events of a batch or table that has (at least) the columns `COLUMNS`, in order."""
        return map(StoredEvent._make, self.rows(batch, COLUMNS))

    def rows(self, batch: pa.RecordBatch, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The values of these columns, which must be among `COLUMNS`, row by row."""
        return zip(*(self._column(_whole(batch[name]), name) for name in columns), strict=True)

    def _column(self, array: Any, name: str) -> Sequence[Any]:
        match name:
            case "prompt":
                turns = map(StoredTurn, _texts(array.flatten().field("role")), _texts(array.flatten().field("content")))
                return self._shared(_lists(array, list(turns)))
            case "responses":
                return _lists(array, _answers(array.flatten()))
            case "judgements":
                return self._shared(_lists(array, self._shared(_judgements(array.flatten()))))
            case "flags":
                return self._shared(_lists(array, _texts(array.flatten())))
            case "created_at":
                return _times(array)
            case "shown_order":
                return self._shared(_lists(array, _numbers(array.flatten())))
            case "round" | "duration_ms":
                return _numbers(array)
            case "feedback_id":
                return _texts(array)
            case _:
                return self._shared(_texts(array))

    def _shared(self, values: Sequence[Any]) -> list[Any]:
        return [self._values.setdefault(value, value) for value in values]


def _whole(column: Any) -> Any:
    """A column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _texts(array: Any) -> list[Any]:
    texts: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
    return texts


def _numbers(array: Any) -> list[Any]:
    if array.null_count == len(array):
        return [None] * len(array)
    numbers: list[Any] = array.to_pylist() if array.null_count else array.to_numpy().tolist()
    return numbers


def _times(array: Any) -> list[datetime | None]:
    microseconds = _numbers(array.cast(pa.int64()))
    return [None if value is None else _EPOCH + timedelta(microseconds=value) for value in microseconds]


def _lists(array: Any, values: Sequence[Any]) -> list[Any]:
    """The lists of a column, from their values one after the other; None for a null."""
    lengths = array.value_lengths().fill_null(0).to_numpy().tolist()
    ends = accumulate(lengths)
    lists: list[Any] = [tuple(values[end - length : end]) for length, end in zip(lengths, ends, strict=True)]
    if array.null_count:
        valid = array.is_valid().to_numpy(zero_copy_only=False).tolist()
        return [value if is_valid else None for value, is_valid in zip(lists, valid, strict=True)]
    return lists


def _answers(responses: Any) -> list[StoredAnswer]:
    messages = responses.field("messages")
    contents = _texts(messages.flatten().field("content"))
    ends = accumulate(messages.value_lengths().to_numpy().tolist())
    texts = (contents[end - 1] for end in ends)
    models = [_texts(responses.field(name)) for name in ("model", "model_version")]
    return list(map(StoredAnswer, texts, _numbers(responses.field("parent_ix")), *models))


def _judgements(judgements: Any) -> list[StoredJudgement]:
    fields = {name: judgements.field(name) for name in StoredJudgement._fields}
    vectors = [_lists(fields[name], _numbers(fields[name].flatten())) for name in ("ranks", "scores")]
    numbers = [_numbers(fields[name]) for name in ("scale_min", "scale_max", "strength", "strength_max")]
    texts = [_texts(fields[name]) for name in ("criterion", "outcome", "label")]
    tags = _lists(fields["tags"], _texts(fields["tags"].flatten()))
    return list(map(StoredJudgement, *texts[:2], *vectors, *numbers, texts[2], tags))
