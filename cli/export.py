"""`rounds export`: write a registered version as files that other programs read. docs/models.md."""

from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console


class ExportedModel(StrEnum):
    """The registered model that the version belongs to."""

    POLICY = "policy"
    REWARD = "reward"


class ExportedDtype(StrEnum):
    """Data type of the weights of a whole model."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@app.command(rich_help_panel=Panel.CHAMPION)
def export(
    version: Annotated[str, typer.Argument(help="A registered version by number, or `champion`.")],
    into: Annotated[Path, typer.Argument(metavar="INTO", help="A new folder.")],
    merge: Annotated[
        bool, typer.Option("--merge", help="Write a whole model: an adapter is merged into its base, in float32.")
    ] = False,
    model: Annotated[
        ExportedModel, typer.Option("--model", help="The model. The head of a reward model is a file of its own.")
    ] = ExportedModel.POLICY,
    dtype: Annotated[
        ExportedDtype, typer.Option("--dtype", help="Data type of the weights; with --merge only.")
    ] = ExportedDtype.FLOAT32,
    folder: Folder = None,
) -> None:
    """Write a version as a transformers model, or as a peft adapter if it is an adapter."""
    from tasks.rounds.exporting import export as exported
    from tasks.state.choosing import current

    result = exported(current(folder), version, into, merge, model.value, dtype.value)
    out, shown = console(soft_wrap=True), quote(str(into))
    out.print(f"{model.value} version {result.version.version} is in {shown}.")
    if result.base:
        out.print(f"It is an adapter of the base {result.base}, in the format of peft: PeftModel.from_pretrained.")
