"""`rounds audit …`: compare the audit log with records and registry, and cure differences."""

from pathlib import Path
from typing import Annotated

import typer

from cli.app import Folder, Json, Panel, group
from cli.display import person
from cli.display.commands import completed
from cli.display.console import console, counted, print_json
from cli.display.differences import print_differences

audit = group("audit", "Check the audit log, and compare it with records and registry.", Panel.HISTORY)

Reason = Annotated[str, typer.Option("--reason", help="Why; written to the audit log.")]


@audit.callback(invoke_without_command=True, no_args_is_help=False)
def verify_by_default(context: typer.Context, folder: Folder = None) -> None:
    """Check the audit log, and compare it with records and registry."""
    if context.invoked_subcommand is None:
        verify(False, folder)


@audit.command()
def verify(json: Json = False, folder: Folder = None) -> None:
    """Check every line of the log, and compare the log with the records of rounds and with the registry."""
    from tasks.registry import audit as log
    from tasks.registry import consistency
    from tasks.registry.alias import Registry
    from tasks.registry.consistency import Inconsistent
    from tasks.registry.unlogged import unlogged
    from tasks.state.choosing import current

    workspace = current(folder)
    registry = Registry(workspace.root)
    differences = consistency.inspect(workspace, registry)
    unknown = unlogged(registry)
    errors = consistency.errors(differences)
    if json:
        facts = {"lines": len(log.lines(workspace.audit)), "differences": [one._asdict() for one in differences]}
        print_json({**facts, "unlogged": [f"{version.name}/{version.version}" for version in unknown]})
        raise typer.Exit(2 if errors else 0)
    if errors:
        raise Inconsistent("\n".join(errors))
    lines = len(log.read(workspace.audit))
    state = f"{counted(lines, 'line')}, verified" if lines else "no lines, and no round has promoted a version"
    console().print(f"{workspace.audit}: {state}.", soft_wrap=True)
    print_differences(console(), differences)
    if unknown:
        names = ", ".join(f"{version.name}/{version.version}" for version in unknown)
        cure = "other machines or an older release registered them; `rounds adopt --reason …` takes them into it"
        console().print(completed(f"Not in the log: {names}. {cure}."), style="yellow", soft_wrap=True)


@audit.command()
def restore(
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Also use lines that no trusted key signed.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Write the lines of the copy in MLflow back to the log, which is kept under another name."""
    from tasks.registry import mending
    from tasks.registry.alias import Registry
    from tasks.state.choosing import current

    workspace = current(folder)
    restored = mending.restore(workspace, Registry(workspace.root), unverified)
    message = f"{workspace.audit}: {counted(restored.lines, 'line')}, {restored.added} of them restored."
    kept = f" The log as it was is kept in {restored.replaced}." if restored.replaced else ""
    console().print(message + kept, soft_wrap=True)


@audit.command()
def accept(reason: Reason, folder: Folder = None) -> None:
    """Accept the present differences between log, records and registry, so that rounds go on."""
    from tasks.registry import mending
    from tasks.registry.alias import Registry
    from tasks.state.choosing import current

    workspace = current(folder)
    for difference in mending.accept(workspace, Registry(workspace.root), reason, person.name()):
        console().print(f"accepted: {difference.problem}", soft_wrap=True)


@audit.command()
def keygen(file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file of the private key.")]) -> None:
    """Make a key that signs the copy of the log in MLflow: the private key in FILE, the public one in FILE.pub."""
    from tasks.registry import signing

    public = signing.generate(file)
    console().print(f"Private key: {file}, public key: {public}.", soft_wrap=True)
    console().print(
        "Set `audit: {key: FILE}` in params.yaml, and name the public key in `audit.trusted_keys` of other workspaces."
    )
