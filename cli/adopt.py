"""`rounds adopt`: take versions of older releases into the audit log."""

from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display import person
from cli.display.console import console, counted
from core.errors import BadModel


@app.command(rich_help_panel=Panel.CHAMPION)
def adopt(
    reason: Annotated[str, typer.Option("--reason", help="Why; written to the audit log.")],
    folder: Folder = None,
) -> None:
    """Take registered versions that the audit log does not know into the log, with the digest of their files."""
    from tasks.registry import adoption
    from tasks.registry.alias import Registry
    from tasks.state.choosing import current

    workspace = current(folder)
    adopted, refused = adoption.adopt(workspace, Registry(workspace.root), reason, person.name())
    for version in adopted:
        console().print(f"{version.name} version {version.version}, round {version.round}: {version.digest[:16]}…")
    console().print(f"Took {counted(len(adopted), 'version')} into {workspace.audit}.", soft_wrap=True)
    if refused:
        raise BadModel("\n".join(refused))
