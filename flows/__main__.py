"""The command line: `python -m flows round | rollback | status | …`. Heavy imports wait until a command runs."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.errors import RoundsError

app = typer.Typer(
    help="Iterative RLHF as an operation: run rounds, see where they stand, roll back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Place = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Folder with dvc.yaml, params.yaml and data/; made if missing.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-S", metavar="KEY=VALUE", help="Set a knob for this round, e.g. -S policy.kl.target=6."),
]


@app.command("round")
def round_(
    overrides: Overrides = None,
    workspace: Place = None,
    new: Annotated[bool, typer.Option("--new", help="Open a new round even where no new feedback waits.")] = False,
    reopen: Annotated[bool, typer.Option("--reopen", help="Drop an unfinished round and open it anew.")] = False,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a round that runs already.")] = 0,
) -> None:
    """Run a round: continue an unfinished one, or open the next."""
    from flows.command import run_round

    run_round(workspace, overrides or [], new=new, reopen=reopen, wait=wait)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes to the audit log.")],
    to: Annotated[str | None, typer.Option("--to", metavar="VERSION", help="Default: the champion before.")] = None,
    workspace: Place = None,
) -> None:
    """Make an earlier version of the policy champion again."""
    from flows.rollback import run_rollback

    run_rollback(workspace, to, reason)


@app.command()
def status(workspace: Place = None) -> None:
    """Show champion, candidate and the last rounds with their verdicts."""
    from flows.status import show_status

    show_status(workspace)


@app.command()
def watch(workspace: Place = None) -> None:
    """Compare the feedback that waits with what the champion learned from; trains nothing."""
    from flows.watch import show_watch

    show_watch(workspace)


@app.command()
def feedback(
    files: Annotated[list[Path], typer.Argument(help="JSON lines in the canonical form (docs/feedback.md).")],
    workspace: Place = None,
) -> None:
    """Hand in feedback; enough of it starts a round where a deployment watches."""
    from flows.inbox import hand_in

    hand_in(workspace, files)


def main() -> None:
    """Run the command line; an error with a cure is printed without a traceback."""
    os.environ.setdefault("DO_NOT_TRACK", "true")  # Prefect, MLflow and the Hugging Face hub heed it
    try:
        app()
    except RoundsError as error:
        typer.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
