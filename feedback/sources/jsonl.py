"""Feedback in files of JSON lines: the canonical form, or `{prompt, chosen, rejected}`, or `{prompt, completion}`."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import BadFeedback
from core.files import digest
from feedback import lines
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source


class JSONL(Source):
    """JSON lines as `feedback.canonical` reads them. A record without a `source` is from its file's name."""

    path: Path
    """A file (`.jsonl`, `.jsonl.gz`), or a folder of such files."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All records, file by file in the order of their names."""
        for file in self._files():
            yield from lines.events(file, file.name.split(".jsonl")[0], {"round": intake.round})

    def check(self) -> None:
        """Find out whether the file or folder is there."""
        self._files()

    def fingerprint(self) -> str:
        """Changes when a file is added or its content changes."""
        return " ".join(digest(file) for file in self._files())

    def _files(self) -> list[Path]:
        if self.path.is_dir():
            return sorted([*self.path.glob("*.jsonl"), *self.path.glob("*.jsonl.gz")])
        if not self.path.is_file():
            raise BadFeedback(f"{self.path}: no such file or folder; set `path` of the source jsonl to one that exists")
        return [self.path]
