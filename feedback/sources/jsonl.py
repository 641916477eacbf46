"""Feedback in JSON lines: the canonical form, `{prompt, chosen, rejected}` or `{prompt, completion}`."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import BadFeedback
from core.files import digest
from feedback import lines
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source


class JSONL(Source):
    """JSON lines in the forms of `feedback.canonical`. A record without `source` gets the name of its file."""

    path: Path
    """A file (`.jsonl` or `.jsonl.gz`), or a folder of such files."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All records, file by file, sorted by file name."""
        for file in self._files():
            yield from lines.events(file, file.name.split(".jsonl")[0], {"round": intake.round})

    def check(self) -> None:
        """Check that the file or folder exists."""
        self._files()

    def fingerprint(self) -> str:
        """The digests of all files."""
        return " ".join(digest(file) for file in self._files())

    def _files(self) -> list[Path]:
        if self.path.is_dir():
            return sorted([*self.path.glob("*.jsonl"), *self.path.glob("*.jsonl.gz")])
        if not self.path.is_file():
            raise BadFeedback(f"{self.path}: no such file or folder; set `path` of the source jsonl to one that exists")
        return [self.path]
