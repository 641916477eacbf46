"""`rounds rebase`: make the champion a base model, so that rounds can go on with other settings. docs/models.md."""

from shlex import quote
from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.CHAMPION)
def rebase(
    version: Annotated[
        str,
        typer.Option("--version", metavar="VERSION", help="A registered version of the policy, by number."),
    ] = "champion",
    name: Annotated[
        str | None, typer.Option("--name", help="What `model.base` calls the new base. Default: policy-VERSION.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Store the champion as a base model; an adapter is merged into its base. Then the adapter may change."""
    from tasks.rounds.rebasing import rebase as rebased
    from tasks.state.choosing import current

    workspace, out = current(folder), console(soft_wrap=True)
    result = rebased(workspace, version, name)
    how = "merged into its base, in float32" if result.merged else "as it is"
    out.print(f"Base model {result.record.label}: policy version {result.version.version}, {how}.")
    out.print(f"Digest: {result.record.digest}")
    where = f" -w {quote(str(workspace.root))}" if folder else ""
    out.print(f"Next: rounds round{where} -S model.base={result.record.label}")
    out.print("Other settings of model.adapter can be set with it, or model.adapter=null to train all weights.")
