"""`rounds evidence`: everything on record about one version, in one ZIP file for an auditor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from cli.app import Folder, LineName, Panel, app
from cli.display.console import console
from cli.lineage import WIDEST, tree_of

if TYPE_CHECKING:
    from tasks.history.lineage import Lineage


@app.command(rich_help_panel=Panel.HISTORY)
def evidence(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="policy/3 or policy@champion.")],
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", metavar="FILE.zip", dir_okay=False, help="Output file. Default: evidence-policy-VERSION.zip."
        ),
    ] = None,
    line: LineName = None,
    folder: Folder = None,
) -> None:
    """Write everything on record about a version to one ZIP file for an auditor."""
    from core.files import digest
    from tasks.history.evidence import collect_evidence, write
    from tasks.state.choosing import current_or_server
    from tasks.tools.lines import chosen

    workspace = current_or_server(folder)
    archive = collect_evidence(workspace, version, _text, chosen(workspace.root, line))
    into = (into or Path(f"evidence-policy-{archive.version.version}.zip")).resolve()
    write(archive, into)
    out = console(soft_wrap=True)
    out.print(f"{into}: {len(archive.files)} files, {decimal(into.stat().st_size)}, SHA-256 {digest(into)}")
    for part in archive.missing:
        out.print(f"missing  {part.path}: {part.absent}")
    out.print("Evidence, not a claim of compliance; README.md maps it to NIST AI 600-1 and ISO/IEC 42001.")


def _text(lineage: "Lineage") -> str:
    """The tree of `rounds lineage` as plain text, the same on every terminal."""
    page = console(width=WIDEST, color_system=None, force_terminal=False, legacy_windows=False)
    with page.capture() as capture:
        page.print(tree_of(lineage), soft_wrap=True)
    return capture.get()
