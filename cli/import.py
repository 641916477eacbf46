"""`rounds import`: make a model or a LoRA of one's own version 1 of the policy. docs/models.md."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from cli.app import Folder, Overrides, Panel, app
from cli.display.console import console
from cli.display.progress import progress

if TYPE_CHECKING:
    from tasks.rounds.importing import ImportedModel


@app.command("import", rich_help_panel=Panel.ROUNDS)
def import_(
    source: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A model that transformers saved, or a LoRA that peft saved."),
    ],
    overrides: Overrides = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What `model.base` calls a whole model. Default: the folder's name.")
    ] = None,
    same_base: Annotated[
        bool,
        typer.Option("--same-base", help="The LoRA was trained on model.base, although it gives another name."),
    ] = False,
    reopen: Annotated[bool, typer.Option("--reopen", help="Drop an unfinished round 0 first.")] = False,
    folder: Folder = None,
) -> None:
    """Make a model or a LoRA of your own the first champion, in place of an SFT model. Rounds continue it."""
    from tasks.rounds.importing import check_folder, import_model
    from tasks.state.choosing import current

    out = console(soft_wrap=True)
    workspace = current(folder)
    check_folder(source)
    with progress(out):
        result = import_model(workspace, source, overrides or [], name, same_base, reopen)
    out.print(f"Policy version {result.record.version} is champion: {quote(str(source))}, on the base {result.base}.")
    if result.dropout:
        out.print(f"It was trained with dropout {result.dropout:g}; rounds train adapters without dropout.")
    out.print(f"Next: rounds round{_options(result, folder, workspace.root)}")


def _options(result: ImportedModel, folder: Path | None, root: Path) -> str:
    """The options of the next round, which begins where the import was made."""
    where = f" -w {quote(str(root))}" if folder else ""
    return where + "".join(f" -S {quote(text)}" for text in result.overrides)
