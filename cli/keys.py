"""`rounds keys …`: make, list and revoke the keys of the server."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import typer

from cli.app import Folder, Json, Panel, group
from cli.display.console import console, grid, print_json

keys = group("keys", "Make, list and revoke keys of the server.", Panel.FEEDBACK)


Role = Literal["client", "annotator", "operator"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="The application or person whose key it is.")]


@keys.command()
def make(
    name: Name,
    role: Annotated[Role, typer.Option("--role", help="An application, a person who judges, or one who operates.")],
    folder: Folder = None,
) -> None:
    """Make a key and print it: only its hash is stored, so it cannot be shown again."""
    from tasks.people import keys
    from tasks.state.choosing import current

    key = keys.make(current(folder), name, role)
    console().print(key, soft_wrap=True)


@keys.command("list")
def list_(json: Json = False, folder: Folder = None) -> None:
    """Show all keys, without their secrets."""
    from tasks.people import keys
    from tasks.state.choosing import current

    every = keys.every(current(folder))
    if json:
        print_json([record._asdict() | _times(record.made_at, record.revoked_at) for record in every])
        return
    if not every:
        console().print("No keys: the server is open to users of this machine, and to nobody else.")
        return
    table = grid("name", "role", "id", "made", "revoked")
    for record in every:
        times = _times(record.made_at, record.revoked_at)
        table.add_row(record.name, record.role, record.id, times["made_at"], times["revoked_at"] or "")
    console().print(table)


@keys.command()
def revoke(name: Name, folder: Folder = None) -> None:
    """Revoke a key for ever; a running server refuses it within seconds."""
    from tasks.people import keys
    from tasks.state.choosing import current

    keys.revoke(current(folder), name)
    console().print(f"The key of {name} is revoked.")


def _times(made: datetime, revoked: datetime | None) -> dict[str, str | None]:
    return {"made_at": _minute(made), "revoked_at": _minute(revoked) if revoked else None}


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
