"""Anthropic's HH-RLHF data (Bai et al. 2022): pairs of transcripts that differ in the assistant's last turn."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pydantic import Field

from core.files import digest
from feedback import lines
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, RecordSource
from feedback.transcripts import preference


class HHRLHF(RecordSource):
    """One preference per record, by an unnamed crowd worker.

    In some transcripts the model continued with the human's next turn. Inside a turn this is kept as text, and the
    event is flagged `role_name_in_text`. `consecutive_turns` flags a prompt with two turns in a row by one speaker.
    """

    path: Path
    """The file to read, such as `harmless-base/test.jsonl.gz`."""
    licence: str = "MIT"
    """SPDX identifier of the data's licence."""
    limit: int | None = Field(None, ge=1)
    """Maximum number of records to read."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All records, in the order of the file."""
        records = lines.events(self.path, self.name(), self.defaults(intake), preference, intake.limits, self.level)
        yield from islice(records, self.limit)

    def check(self) -> None:
        """Check that the file exists."""
        lines.check(self.path)

    def files(self) -> list[Path]:
        """The file."""
        return [self.path]

    def fingerprint(self) -> str:
        """The digest of the file."""
        self.check()
        return digest(self.path)
