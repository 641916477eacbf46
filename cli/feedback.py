"""`rounds feedback …`: hand in records, look at them, count, export and forget them; and answers of the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.app import Folder, Json, Panel, group
from cli.display import person
from cli.display.commands import completed
from cli.display.console import console, counted, print_json
from core.errors import BadParams

if TYPE_CHECKING:
    from tasks.state.handing_in import HandedIn

feedback = group("feedback", "Look at feedback, and hand it in for the next round.", Panel.FEEDBACK)


Selection = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only events with this value; repeatable.")]

FieldMapFile = Annotated[
    Path | None,
    typer.Option("--map", metavar="FILE", help="A map of the columns (YAML), for files of no known form."),
]


@feedback.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(help="Files of records, or folders of such files (docs/feedback.md).")],
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Skip records that cannot be used; write them to a file beside, with reasons."),
    ] = False,
    map_file: FieldMapFile = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="SPDX", help="Licence of the records that state none.")
    ] = None,
    consent: Annotated[
        str | None, typer.Option("--consent", metavar="TEXT", help="Consent of the records that state none.")
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Also believe feedback_id, prompt_group and split, and supersede events of other people."
        ),
    ] = False,
    folder: Folder = None,
) -> None:
    """Add feedback to the inbox. With enough usable records, a Prefect deployment starts a round."""
    from feedback import fieldmap
    from tasks.state import handing_in, intake
    from tasks.state.choosing import current
    from tasks.state.receipts import Stated
    from tasks.tools import announcing_readiness

    for option, value in (("--licence", licence), ("--consent", consent)):
        if value is not None and not value.strip():
            raise BadParams(f"{option} is empty; give a text, or leave the option out")
    workspace, out = current(folder), console()
    stated = Stated(trust, licence, consent)
    handed_in = handing_in.hand_in(workspace, files, skip_bad, fieldmap.load(map_file) if map_file else None, stated)
    for line in _report(handed_in):
        out.print(line, soft_wrap=True)
    waiting = intake.count(workspace)
    counted = f"{waiting.records} records wait in {workspace.inbox}"
    out.print(f"{counted}; a deployment starts a round at {waiting.threshold} usable ones.", soft_wrap=True)
    if waiting.enough and announcing_readiness.announce(workspace):
        out.print("Notified the Prefect server that a round can start.")


@feedback.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A file of records, or a folder of such files.")],
    map_file: FieldMapFile = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="SETTINGS", help="Read by this source, written as {use: NAME, KNOB: VALUE} without path."),
    ] = None,
) -> None:
    """Show what a file is, three of its records as they would be read, and what cannot be used. Changes nothing."""
    from cli.display.inspected import lines
    from feedback import fieldmap, inspection, trials
    from tasks.state import intake
    from tasks.state.choosing import current_or_planned

    if map_file and source:
        raise BadParams("--map and --source exclude each other; write the map into the settings: map: {…}")
    fields, out = fieldmap.load(map_file) if map_file else None, console()
    trial = trials.typed(source, file) if source else None
    for line in lines(
        inspection.inspect(file, fields, trial, limits=intake.limits(current_or_planned())), map_file, _most_tokens()
    ):
        out.print(line, soft_wrap=True)


@feedback.command()
def show(
    event: Annotated[
        str | None, typer.Argument(metavar="ID", help="A feedback_id (six characters are enough) or a source_id.")
    ] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, metavar="N", help="The N events that came last.")] = None,
    json: Json = False,
    folder: Folder = None,
) -> None:
    """Show events whole: where each is, and which rounds learned from it."""
    from cli.display import stored
    from tasks.history import finding
    from tasks.state.choosing import current

    workspace = current(folder)
    if (event is None) == (last is None):
        raise BadParams("name one event by its ID, or use --last N")
    found = finding.find(workspace, event) if event is not None else finding.last(workspace, last or 1)
    if json:
        print_json([each.to_json() for each in found], exact=True)
        return
    out = console()
    for each in found:
        for line in stored.event(each):
            out.print(line, soft_wrap=True)


@feedback.command()
def stats(json: Json = False, folder: Folder = None) -> None:
    """Count the stored feedback by form, source, annotator, licence, round and week, with the agreement of people."""
    from cli.display import stored
    from feedback.overview import overview
    from tasks.state import intake
    from tasks.state.choosing import current

    workspace = current(folder)
    counted, waiting = overview(workspace.feedback), intake.new_records(workspace)
    if json:
        print_json(counted.to_json() | {"waiting": waiting})
        return
    stored.counts(console(), counted, waiting)


@feedback.command()
def export(
    file: Annotated[Path, typer.Argument(help="The file to write: .jsonl or .parquet.", dir_okay=False)],
    kind: Selection = None,
    source: Selection = None,
    folder: Folder = None,
) -> None:
    """Write stored feedback to a file in the canonical form, without that of forgotten annotators."""
    from cli.display.inspected import import_command
    from feedback.export import export as write
    from tasks.state import tombstones
    from tasks.state.choosing import current

    workspace = current(folder)
    count = write(workspace.feedback, file.absolute(), kind or (), source or (), tombstones.forgotten(workspace))
    out = console()
    out.print(f"Wrote {count:,} events to {file}.", soft_wrap=True)
    out.print(f"To take them in elsewhere under the same ids: {import_command(file)} --trust", soft_wrap=True)


@feedback.command()
def forget(
    annotator: Annotated[
        str, typer.Option("--annotator", metavar="ID", help="The annotator_id, as the records have it.")
    ],
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove the feedback from the workspace and its DVC cache.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Do it; by default the command only lists what it is about.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")] = "asked to be forgotten",
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Your name. Default: the login name.")] = None,
    folder: Folder = None,
) -> None:
    """Leave out all feedback of an annotator from the next round on, and list what has learned from it."""
    from cli.display import forgotten
    from tasks.history import forgetting
    from tasks.state.choosing import current

    workspace, who = current(folder), by or person.name()
    if not yes:
        facts = forgetting.look(workspace, annotator)
    elif purge:
        facts = forgetting.purge(workspace, annotator, who, reason)
    else:
        facts = forgetting.forget(workspace, annotator, who, reason)
    forgotten.show(console(), facts, purge, done=yes)


@feedback.command()
def asked(
    file: Annotated[Path, typer.Argument(help="The file to write: JSON lines.", dir_okay=False)],
    consent: Annotated[
        list[str] | None,
        typer.Option("--consent", metavar="TEXT", help="Consent that is enough; repeatable. Default: opt-in."),
    ] = None,
    folder: Folder = None,
) -> None:
    """Write the prompts of the server's users who consented to a file, for the source `asked`."""
    from tasks.state import served_answers
    from tasks.state.choosing import current

    count = served_answers.write_prompts(current(folder), file.absolute(), consent or ["opt-in"])
    console().print(f"Wrote {counted(count, 'prompt')} to {file}.", soft_wrap=True)


@feedback.command()
def expire(
    days: Annotated[float, typer.Option("--older-than", min=0, metavar="DAYS", help="Days for which they are kept.")],
    yes: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Remove them; by default they are only counted.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Remove old answers of the server from the feedback database; feedback on them stays."""
    from tasks.history import answer_removal
    from tasks.state.choosing import current

    workspace, out = current(folder), console()
    count = counted(answer_removal.expire(workspace, days, yes), "answer")
    out.print(f"Removed {count}." if yes else f"{count} can be removed; use --yes to remove them.")
    for line in answer_removal.clear_prompts(workspace) if yes else ():
        out.print(completed(line), soft_wrap=True)


@feedback.command()
def redact(
    response_id: Annotated[str, typer.Argument(metavar="ID", help="The `response_id` of an answer of the server.")],
    folder: Folder = None,
) -> None:
    """Remove prompt, text and asker of an answer of the server, and of others to the same request; feedback stays."""
    from tasks.history import answer_removal
    from tasks.state.choosing import current

    workspace, out = current(folder), console()
    count = counted(answer_removal.redact(workspace, response_id), "answer")
    out.print(f"Removed prompt, text and asker of {count}.")
    for line in answer_removal.clear_prompts(workspace):
        out.print(completed(line), soft_wrap=True)


def _most_tokens() -> int:
    """`model.max_answer_tokens` of the workspace's params.yaml; the default where there is none."""
    from cli.display.inspected import MOST_TOKENS
    from core.settings import read
    from tasks.state.choosing import current_or_planned

    params = current_or_planned().params
    model = (read(params) if params.exists() else {}).get("model") or {}
    limit = model.get("max_answer_tokens") if isinstance(model, dict) else None
    return limit if isinstance(limit, int) else MOST_TOKENS


def _report(handed_in: HandedIn) -> list[str]:
    taken = f"Took in {counted(handed_in.records, 'record')} from {counted(handed_in.files, 'file')}"
    taken += "." if handed_in.new == handed_in.records else f"; {handed_in.new:,} of them were not known yet."
    skipped = [f"Skipped {handed_in.rejected} records; they are in:"] if handed_in.rejected else []
    from cli.display.inspected import ignored

    return [taken, *ignored(handed_in.ignored), *skipped, *(f"  {path}" for path in handed_in.rejects)]
