"""Exports of other tools whose records hold several acts of feedback: they are read by a source, not handed in."""

import json
import shlex
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import BadFeedback
from feedback import packaging
from feedback.limits import SizeLimitSettings

Record = Mapping[str, Any]
_DEFAULT = SizeLimitSettings()


class Export(NamedTuple):
    """A kind of export."""

    tool: str
    source: str
    """The source that reads it."""
    knobs: str
    """What the source needs beside `path`; words in capitals are to be replaced."""
    matches: Callable[[Record], bool]

    @property
    def settings(self) -> str:
        """The settings of the source, without `path`."""
        return f"{{use: {self.source}{self.knobs}}}"

    def command(self, path: str) -> str:
        """The command for a round that reads the file."""
        settings = f"ingest.sources=[{{use: {self.source}, path: {path}{self.knobs}}}]"
        return f"rounds round -S {shlex.quote(settings)}"


def _is_argilla(record: Record) -> bool:
    nested = isinstance(record.get("fields"), Mapping) and isinstance(record.get("responses"), Mapping)
    return nested or any(name.endswith(".responses") for name in record) or any(map(is_of_argilla_1, record.values()))


def is_of_argilla_1(value: object) -> bool:
    """Whether a column has the responses to a question."""
    one = value[0] if isinstance(value, list) and value else value
    return isinstance(one, Mapping) and {"user_id", "value", "status"} <= one.keys()


def _is_label_studio(record: Record) -> bool:
    task = isinstance(record.get("data"), Mapping) and isinstance(record.get("annotations"), list)
    return task or {"annotation_id", "annotator", "lead_time"} <= record.keys()


def _is_oasst(record: Record) -> bool:
    tree = "message_tree_id" in record and isinstance(record.get("prompt"), Mapping)
    return tree or {"message_id", "parent_id", "role", "text"} <= record.keys()


EXPORTS = (
    Export("Argilla", "argilla", ", prompt: FIELD, answers: [FIELD, FIELD]", _is_argilla),
    Export("Label Studio", "label_studio", ", prompt: FIELD, config: LABELS.XML", _is_label_studio),
    Export("OpenAssistant", "oasst", "", _is_oasst),
)


def export_of(record: Record) -> Export | None:
    """The kind of export that a record is of; None if it is of none."""
    return next((export for export in EXPORTS if export.matches(record)), None)


def check(record: Record) -> None:
    """Refuse a record of an export: its answers would be read, and what people said about them would be left out.

    Raises:
        BadFeedback: names the source to use.
    """
    if export := export_of(record):
        raise BadFeedback(
            f"the record is of an export of {export.tool}, which the source {export.source} reads: "
            f"{export.command('FILE')}"
        )


class Exported(NamedTuple):
    """What a file of an export is."""

    export: Export
    fields: tuple[str, ...]
    """The fields that FIELD in the knobs can be; empty if the source needs none."""


def exported(file: Path, limits: SizeLimitSettings = _DEFAULT) -> Exported | None:
    """The kind of export that a file is, by the first record that is an object; None if it is none."""
    for raw in islice(packaging.records(file, limits), 10):
        record = _parsed(raw.raw)
        if isinstance(record, Mapping):
            export = export_of(record)
            return Exported(export, _fields(export, record)) if export else None
    return None


def _fields(export: Export, record: Record) -> tuple[str, ...]:
    inner = next((record[name] for name in ("data", "fields") if isinstance(record.get(name), Mapping)), record)
    return tuple(inner) if "FIELD" in export.knobs else ()


def _parsed(raw: bytes) -> object:
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
