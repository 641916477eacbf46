"""Feedback in files of any kind: in a form that is recognised by its columns, or by a map of its columns."""

from collections.abc import Iterator
from pathlib import Path

from feedback import hub, lines
from feedback.fieldmap import FieldMap
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.jsonl import JSONL, source_name


class Table(JSONL):
    """JSON lines, a JSON array, CSV, TSV, Parquet or Arrow, plain or compressed. `rounds feedback inspect` shows it."""

    path: Path
    """A file, a folder of files, the URL of one such as `s3://bucket/folder`, or
    `hf://datasets/OWNER/NAME[@REVISION][/CONFIG]` on the Hugging Face Hub."""
    split: str = "train"
    """Which part of a dataset on the hub is read."""
    map: FieldMap | None = None
    """Where prompt, answers and judgement are; not needed for a form in docs/feedback.md."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All records, file by file, sorted by path."""
        convert = self.map.record if self.map else dict
        for file in self.files():
            source = hub.source_name(self.path) if hub.is_address(self.path) else source_name(file)
            yield from lines.events(file, source, self.defaults(intake), convert, intake.limits, self.level)

    def files(self) -> list[Path]:
        """The files that it reads, sorted by name.

        Raises:
            BadFeedback: there is no such file or folder.
        """
        if hub.is_address(self.path):
            return hub.files(self.path, self.split)
        return self._files_in(self.path)
