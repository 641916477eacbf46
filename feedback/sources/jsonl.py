"""Feedback in files: the canonical form, or one of the forms in `feedback/layouts/`."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import BadFeedback
from feedback import lines, packaging, remote_files
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, RecordSource


class JSONL(RecordSource):
    """Records in the forms of `feedback.canonical`. A record without `source` gets the name of its file."""

    path: Path
    """A file of any kind in `feedback.packaging`, or a folder of `.jsonl` and `.jsonl.gz` files, or the URL of
    one, such as `s3://bucket/folder`."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All records, file by file, sorted by file name."""
        for file in self.files():
            yield from lines.events(
                file, source_name(file), self.defaults(intake), limits=intake.limits, trust=self.level
            )

    def files(self) -> list[Path]:
        """The files that it reads, sorted by name.

        Raises:
            BadFeedback: there is no such file or folder.
        """
        path = remote_files.local(self.path)
        if path.is_dir():
            return sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")])
        if not path.is_file():
            raise BadFeedback(f"{self.path}: no such file or folder; set `path` of the source jsonl to one that exists")
        return [path]


def source_name(file: Path) -> str:
    """The source of the records of a file that state none: its name without the endings of kind and compression."""
    return file.name.split(".jsonl")[0] if ".jsonl" in file.name else packaging.stem(file.name)
