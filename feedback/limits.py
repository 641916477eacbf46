"""Limits on what comes from outside: bytes of a text, a record and a file, and counts that work grows with.

Below these limits, the work on a record is linear in its bytes. The knobs limit bytes; the constants limit what grows
faster than bytes, far above what feedback needs.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from core.errors import BadFeedback
from core.settings import BaseSettings
from feedback.schema import FeedbackEvent

DEEPEST = 100
"""Levels of lists and objects in a record: Python fails at about a thousand."""
MOST_COLUMNS = 1_000
"""Columns of a record."""
MOST_TURNS = 1_000
"""Turns of a prompt, and of an answer that is a whole conversation."""
MOST_JUDGEMENTS = 200
"""Judgements in a record."""
MOST_BY_CRITERION = 20
"""Judgements by one criterion in a record: each is compared with each other one."""
MOST_PAIRS = 5_000
"""Pairs of answers in a record, counted for each judgement: those of a ranking of 100 answers."""
MOST_PAIR_BYTES = 32_000_000
"""Bytes of all pairs of a record, each with its prompt: the size of the rows that are derived from it."""
LONGEST_NAME = 200
"""Characters of the name of a column in a table: in JSON, every row repeats it."""
FREE_CONTENT = 20_000_000
"""Bytes that the content of a file may always have, however small the file is."""
SHOWN = 1_000
"""Bytes or characters that are shown of what is too large to be kept."""


class SizeLimitSettings(BaseSettings):
    """How large feedback may be. What is larger is refused with its size; of a file, no record is taken in then."""

    text_bytes: int = Field(1_000_000, ge=1)
    """Largest text of a record, such as a prompt or an answer (bytes in UTF-8)."""
    record_bytes: int = Field(4_000_000, ge=1)
    """Largest record (bytes). A row of CSV, Parquet or Arrow counts as it is written in JSON."""
    file_bytes: int = Field(10_000_000_000, ge=1)
    """Largest file (bytes), as it is, decompressed, and with its rows written in JSON."""
    expansion: int = Field(100, ge=1)
    """Largest content of a file, decompressed and with its rows written in JSON, as a multiple of the size of the file.
    Content of up to 20 MB is always read."""

    def content(self, size: int) -> "ContentLimit":
        """How large the content of a file of this size (bytes) may be."""
        expanded = max(FREE_CONTENT, self.expansion * size)
        if expanded < self.file_bytes:
            return ContentLimit(expanded, "expansion")
        return ContentLimit(self.file_bytes, "file_bytes")


class ContentLimit(NamedTuple):
    """How large the content of one file may be: decompressed, or as rows in JSON."""

    most: int
    """Bytes."""
    knob: str
    """The knob in `ingest.limits` that it is from."""

    def check(self, size: int, path: Path, what: str = "its rows have") -> None:
        """Check a size (bytes) that the content has at least.

        Raises:
            BadFeedback: it is above the limit.
        """
        if size > self.most:
            raise BadFeedback(
                f"{path}: {what} more than {self.most:,} bytes; split the file, or raise ingest.limits.{self.knob} in "
                "params.yaml"
            )


_HUGE = sys.maxsize // 2  # a byte more is still a size
UNLIMITED = SizeLimitSettings(text_bytes=_HUGE, record_bytes=_HUGE, file_bytes=_HUGE, expansion=_HUGE)
"""For files that were taken in before: the limits were others then."""


def too_large(what: str, size: int, most: int, knob: str, cure: str) -> str:
    """The reason why something is refused for its size in bytes."""
    return f"{what} has {size:,} bytes, expected at most {most:,}; {cure}, or raise ingest.limits.{knob} in params.yaml"


def record_problem(record: Mapping[str, Any], size: int, limits: SizeLimitSettings) -> str | None:
    """Why a parsed record is refused, given its size in bytes; None if it is not."""
    if size > limits.record_bytes:
        return too_large("the record", size, limits.record_bytes, "record_bytes", "split it")
    if size > limits.text_bytes:
        problems = (_text_problem(path, text, limits) for path, text in _texts(record))
        return next(filter(None, problems), None)
    return None


def event_problem(event: FeedbackEvent, limits: SizeLimitSettings) -> str | None:
    """Why an event that came from no file is refused; None if it is not."""
    size = len(event.model_dump_json().encode())
    problem = None
    if size > min(limits.text_bytes, limits.record_bytes):
        problem = record_problem(event.model_dump(mode="json"), size, limits)
    return problem or count_problem(event)


def is_too_deep(value: object) -> bool:
    """Whether lists and objects are nested deeper than `DEEPEST`."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        children = (child for node in level for child in (node.values() if isinstance(node, dict) else node))
        level = [child for child in children if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def count_problem(event: FeedbackEvent) -> str | None:
    """Why an event with too many judgements or pairs of answers is refused; None if it is not."""
    count = len(event.judgements)
    if count > MOST_JUDGEMENTS:
        return f"judgements has {count:,} entries, expected at most {MOST_JUDGEMENTS}; split the record"
    if count > MOST_BY_CRITERION:
        criterion, most = Counter(judgement.criterion for judgement in event.judgements).most_common(1)[0]
        if most > MOST_BY_CRITERION:
            return (
                f"judgements has {most} entries by the criterion {criterion[:60]!r}, expected at most "
                f"{MOST_BY_CRITERION}; write one record per act of judgement"
            )
    return _pair_problem(event, max(count, 1))


def _pair_problem(event: FeedbackEvent, judgements: int) -> str | None:
    answers = len(event.responses)
    pairs = judgements * answers * (answers - 1) // 2
    if pairs > MOST_PAIRS:
        return (
            f"responses has {answers:,} answers, so {judgements} judgements make {pairs:,} pairs, expected at most "
            f"{MOST_PAIRS:,}; split the record into some with fewer answers"
        )
    if pairs > 1:
        prompt = sum(len(turn.content) for turn in event.prompt)
        size = pairs * prompt + judgements * (answers - 1) * sum(len(response.text) for response in event.responses)
        if size > MOST_PAIR_BYTES:
            return (
                f"the {pairs:,} pairs of answers have {size:,} characters with their prompt, expected at most "
                f"{MOST_PAIR_BYTES:,}; split the record into some with fewer answers"
            )
    return None


def _text_problem(path: str, text: str, limits: SizeLimitSettings) -> str | None:
    if len(text) * 4 <= limits.text_bytes:
        return None
    size = len(text.encode(errors="surrogatepass"))
    if size <= limits.text_bytes:
        return None
    return too_large(path[:LONGEST_NAME], size, limits.text_bytes, "text_bytes", "shorten the text")


def _texts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text of a parsed record, with its path."""
    waiting: list[tuple[str, object]] = [("", record)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, Mapping):
            waiting += ((f"{path}.{name[:LONGEST_NAME]}".lstrip("."), child) for name, child in value.items())
        elif isinstance(value, list):
            waiting += ((f"{path}[{ix}]", child) for ix, child in enumerate(value))
