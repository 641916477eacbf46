"""`rounds evidence`: everything on record about one version, as one archive for an auditor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from cli.app import Folder, Panel, app
from cli.display.console import console
from cli.lineage import WIDEST, drawn

if TYPE_CHECKING:
    from tasks.history.lineage import Lineage


@app.command(rich_help_panel=Panel.HISTORY)
def evidence(
    asked: Annotated[str, typer.Argument(metavar="VERSION", help="policy/3 or policy@champion.")],
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FILE.zip", dir_okay=False, help="Default: evidence-policy-VERSION.zip."),
    ] = None,
    workspace: Folder = None,
) -> None:
    """Pack everything on record about a version into one archive for an auditor."""
    from core.files import digest
    from tasks.history.evidence import dossier, write
    from tasks.state.workspace import current_or_new

    packed = dossier(current_or_new(workspace), asked, _text)
    into = (into or Path(f"evidence-policy-{packed.version.version}.zip")).resolve()
    write(packed, into)
    out = console(soft_wrap=True)
    out.print(f"{into}: {len(packed.files)} files, {decimal(into.stat().st_size)}, SHA-256 {digest(into)}")
    for part in packed.missing:
        out.print(f"missing  {part.path}: {part.absent}")
    out.print("Evidence, not a claim of compliance; README.md maps it to NIST AI 600-1 and ISO/IEC 42001.")


def _text(told: "Lineage") -> str:
    """The tree of `rounds lineage` as plain text, the same everywhere."""
    page = console(width=WIDEST, color_system=None, force_terminal=False, legacy_windows=False)
    with page.capture() as capture:
        page.print(drawn(told), soft_wrap=True)
    return capture.get()
