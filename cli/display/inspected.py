"""The inspection of a file of feedback as lines of text: what it is, three records, faults, and the command to type."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.display.console import counted
from feedback.exports import Exported
from feedback.guesses import template
from feedback.inspection import Inspection, Packing
from feedback.packaging.compression import Compression
from feedback.packaging.kinds import FileKind
from feedback.schema import FeedbackEvent, Judgement
from feedback.standings import OVERALL, standings

NAMES = {
    FileKind.JSON_LINES: "JSON lines",
    FileKind.JSON_ARRAY: "a JSON array",
    FileKind.CSV: "CSV",
    FileKind.TSV: "TSV",
    FileKind.PARQUET: "Parquet",
    FileKind.ARROW: "Arrow",
}

MOST_TOKENS = 48
"""Default of `model.max_answer_tokens`, which is declared in a module that loads torch."""
WIDTH = 160
"""Number of characters of a text that are shown."""


def lines(inspection: Inspection, fields: Path | None = None, most_tokens: int = MOST_TOKENS) -> Iterator[str]:
    """All lines, from top to bottom.

    Args:
        inspection: what is in the file.
        fields: the file of the map that was used.
        most_tokens: `model.max_answer_tokens`, to which a round cuts answers.
    """
    yield f"{inspection.path.name}: {_kinds(inspection)}, {inspection.usable + inspection.rejected} records"
    yield from (f"  {count} in the form {form}" for form, count in inspection.forms.items())
    for where, event in inspection.examples:
        yield f"\n{where} would be read as: {event.kind}, annotator {event.annotator_id}, licence {event.licence}"
        yield from _example(event)
    if inspection.exported and not inspection.usable:
        yield from _how_to_read(inspection.exported, inspection.path)
        return
    if inspection.rejected:
        yield f"\n{inspection.rejected} records cannot be used:"
        yield from (f"  {fault}" for fault in inspection.faults)
    yield from ignored(inspection.ignored)
    if number := inspection.superseding:
        verb = "supersedes" if number == 1 else "supersede"
        yield f"{counted(number, 'record')} {verb} another event; without --trust, only the same annotator's."
    if inspection.usable:
        yield from _lengths(inspection)
        yield from _equal_after_cut(inspection, most_tokens)
        yield from _licences(inspection, fields)
        yield "\nTo hand in these records, type:\n  " + command(inspection, fields)
    elif inspection.records and not inspection.trial:
        yield "\nNo record can be used. If the columns are of another form, save this as map.yaml and complete it:\n"
        yield template(inspection.records)
        yield f"Then type:\n  rounds feedback inspect {argument(inspection.path)} --map map.yaml"


def command(inspection: Inspection, fields: Path | None = None) -> str:
    """The command that hands in the records that can be used, or that runs a round with the source that reads them."""
    if inspection.trial:
        return f"rounds round -S {shlex.quote(inspection.trial.override)}"
    by_map = f" --map {argument(fields)}" if fields else ""
    skipping = " --skip-bad" if inspection.rejected else ""
    return f"{import_command(inspection.path)}{by_map}{skipping}"


def import_command(path: Path) -> str:
    """The command that hands in a file, without options."""
    return f"rounds feedback import {argument(path)}"


def ignored(fields: Mapping[str, int]) -> Iterator[str]:
    """Which fields records state that they may not, and how many records."""
    for name, count in sorted(fields.items()):
        yield f"{counted(count, 'record')} {'states' if count == 1 else 'state'} {name}: ignored without --trust."


def argument(path: Path) -> str:
    """A path as an argument of a command: quoted, and never like an option."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def _how_to_read(exported: Exported, path: Path) -> Iterator[str]:
    """The command that shows records of an export as its source reads them."""
    export = exported.export
    yield f"\nThe records are an export of {export.tool}, which the source {export.source} reads (docs/feedback.md,"
    yield "Sources). To see three of them, replace the words in capitals, and type:\n"
    yield f"  rounds feedback inspect {argument(path)} --source {shlex.quote(export.settings)}"
    if exported.fields:
        yield f"  FIELD is one of: {', '.join(exported.fields)}"


def _lengths(inspection: Inspection) -> Iterator[str]:
    """What may be cut: a round counts tokens, of which a word has at least one."""
    prompts, answers = inspection.prompts, inspection.answers
    yield (
        f"\nWords per prompt: median {prompts.median}, longest {prompts.longest}. "
        f"Per answer: median {answers.median}, longest {answers.longest}."
    )
    yield (
        "A round cuts a prompt to the last model.max_prompt_tokens tokens and an answer to the first "
        "model.max_answer_tokens; a word is one token or more. `rounds params` shows both limits."
    )


def _equal_after_cut(inspection: Inspection, most_tokens: int) -> Iterator[str]:
    """Pairs whose answers are certainly equal after the cut: they share as many words as there may be tokens."""
    if count := sum(count for words, count in inspection.shared.items() if words >= most_tokens):
        yield (
            f"{count} of {sum(inspection.shared.values())} pairs have answers that share their first {most_tokens} "
            f"words. With model.max_answer_tokens={most_tokens}, they are equal after the cut and are not trained on; "
            "raise it."
        )


def _licences(inspection: Inspection, fields: Path | None) -> Iterator[str]:
    """The licence of the public set that has the form of the records, as a suggestion."""
    published = {layout.published for layout in inspection.layouts if layout.published}
    for known in sorted(published) if inspection.unlicensed and fields is None else ():
        yield f"\n{inspection.unlicensed} records state no licence. If they are {known.name}, it is {known.licence}."
        yield "To state it, type:"
        yield f"  {import_command(inspection.path)} --licence {shlex.quote(known.licence)}"


def _kinds(inspection: Inspection) -> str:
    names = {_kind(packing): count for packing, count in inspection.packings.items()}
    total = sum(names.values())
    return next(iter(names)) if total == 1 else f"{total} files ({'; '.join(names)})"


def _kind(packing: Packing) -> str:
    compression = packing.compression
    packed = "" if compression is Compression.NONE else f", compressed with {compression.name.lower()}"
    return f"{NAMES[packing.kind]}{packed}"


def _example(event: FeedbackEvent) -> Iterator[str]:
    for turn in event.prompt:
        yield f"  {turn.role}: {_short(turn.content)}"
    criterion, words = standings(event)
    marks = [f"[{word}]" for word in words]
    for mark, response in zip(marks, event.responses, strict=True):
        yield f"  {mark:{max(map(len, marks))}} {_short(response.text)}"
    if criterion and criterion != OVERALL:
        yield f"  marked by the criterion {criterion}, because no judgement is by {OVERALL} (curate.criterion)"
    if event.flags:
        yield f"  flags: {', '.join(event.flags)}"
    for judgement in event.judgements:
        yield f"  by {judgement.criterion}: {_verdict(judgement)}"


def _verdict(judgement: Judgement) -> str:
    parts: list[str] = [judgement.outcome] if judgement.outcome != "prefer" else []
    parts += [f"ranks {_vector(judgement.ranks)} (1 is best)" if judgement.ranks else ""]
    parts += [f"scores {_vector(judgement.scores)} (higher is better)" if judgement.scores else ""]
    parts += [f"strength {judgement.strength:g}" if judgement.strength is not None else ""]
    return ", ".join(part for part in [*parts, judgement.label or ""] if part) or "nothing stated"


def _vector(values: tuple[float | None, ...]) -> str:
    return " ".join("-" if value is None else f"{value:g}" for value in values)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= WIDTH else flat[: WIDTH - 1] + "…"
