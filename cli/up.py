"""`rounds up`: start Prefect, MLflow, a worker and the serving app for a workspace, watch them, and end them together.

docs/deploy.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.app import Folder, Panel, app
from cli.display.commands import completed
from cli.display.console import console, plain, print_exports
from core.errors import BadWorkspace, RoundBusy

if TYPE_CHECKING:
    from tasks.services.postgresql import Databases
    from tasks.services.record import RunningServices
    from tasks.services.service import Service
    from tasks.state.workspace import Workspace

WIDTH = 14
"""Of the column of services."""


class ServiceName(StrEnum):
    """The services that `--only` can name."""

    PREFECT = "prefect"
    MLFLOW = "mlflow"
    WORKER = "worker"
    SERVING = "serving"


@app.command(rich_help_panel=Panel.SERVICES)
def up(
    prefect_port: Annotated[int, typer.Option("--prefect-port", min=1, max=65535, help="Port of Prefect.")] = 4200,
    mlflow_port: Annotated[int, typer.Option("--mlflow-port", min=1, max=65535, help="Port of MLflow.")] = 5000,
    serving_port: Annotated[int, typer.Option("--serving-port", min=1, max=65535, help="Port of the champion.")] = 8000,
    only: Annotated[
        list[ServiceName] | None, typer.Option("--only", help="Start this service only; can be repeated. Default: all.")
    ] = None,
    exports: Annotated[
        bool,
        typer.Option("--exports", help="Start nothing; print the environment of a terminal that uses the services."),
    ] = False,
    folder: Folder = None,
) -> None:
    """Start the Prefect server with deployments, MLflow, a worker and the serving app; Ctrl-C ends all of them.

    All listen on 127.0.0.1 only. `ROUNDS_POSTGRESQL` puts their databases on a PostgreSQL server.
    """
    from tasks.services import chosen, postgresql, record, session
    from tasks.state.choosing import at, current

    workspace, out = at(current(folder).root), console()
    if exports:
        _print_exports(workspace)
        return
    if running := record.running(workspace):
        _print_links(out, workspace, running)
        return
    ports = chosen.Ports(prefect_port, mlflow_port, serving_port)
    databases = postgresql.configured(workspace)
    services = chosen.services(workspace, ports, databases, [str(name) for name in only or []])
    host = session.Host(
        services=services,
        exports=chosen.exports(workspace, ports, databases),
        postgresql=databases is not None,
        prepare=lambda: _prepare(out, workspace, databases),
        answers=lambda service: _print_service(out, service),
        ready=lambda problems: _print_help(
            out, workspace, [chosen.not_usable(title, problem) for title, problem in problems.items()]
        ),
    )
    try:
        session.run(workspace, host)
    except RoundBusy:
        running = record.running(workspace)
        if running is None:
            raise
        _print_links(out, workspace, running)
        return
    out.print("All services have ended.")


def _prepare(out: Console, workspace: Workspace, databases: Databases | None) -> None:
    from tasks.services import postgresql, schemas
    from tasks.tools import relocation

    for name in postgresql.create(databases) if databases else ():
        out.print(f"Created the database {name}.", soft_wrap=True)
    for note in schemas.check(workspace, databases):
        out.print(f"{note[0].upper()}{note[1:]}.", style="yellow", soft_wrap=True)
    relocation.readdress(workspace)
    out.print("Starting; the first start takes up to a minute …", style="dim")


def _print_service(out: Console, service: Service) -> None:
    out.print(plain(f"{service.title:<{WIDTH}}  {service.link or 'runs rounds'}"), soft_wrap=True)


def _print_help(out: Console, workspace: Workspace, problems: Sequence[str]) -> None:
    where = quote(str(workspace.root))
    out.print()
    out.print(f"Logs: {workspace.services_logs}", soft_wrap=True)
    out.print(f'In other terminals: eval "$(rounds up --exports -w {where})"', soft_wrap=True)
    for problem in problems:
        out.print(completed(problem), style="yellow", soft_wrap=True)
    first = "Not everything can be used." if problems else "Everything answers."
    out.print(completed(f"{first} Ctrl-C, or `rounds down` in another terminal, ends it."), soft_wrap=True)


def _print_links(out: Console, workspace: Workspace, running: RunningServices) -> None:
    from tasks.services import chosen, postgresql

    what = "runs the services of" if running.ready else "is starting the services of"
    out.print(f"Process {running.process.number} {what} {workspace.root} already.", soft_wrap=True)
    for title, link in running.links.items():
        out.print(plain(f"{title:<{WIDTH}}  {link}"), soft_wrap=True)
    if running.ready:
        databases = postgresql.configured(workspace)
        _print_help(out, workspace, chosen.problems(workspace, running.links, databases))


def _print_exports(workspace: Workspace) -> None:
    """For a shell, which evaluates them; the URL of the feedback database has its password."""
    from tasks.services import chosen, postgresql, record

    running = record.running(workspace)
    if running is None:
        raise BadWorkspace("no services run for this workspace; start them with `rounds up`")
    databases = postgresql.configured(workspace)
    if running.postgresql and databases is None:
        raise BadWorkspace(f"the services use PostgreSQL; set {postgresql.ADDRESS} here too")
    print_exports(running.exports | chosen.feedback(databases))
