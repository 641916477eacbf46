"""The command line: `python -m flows COMMAND`. Heavy imports wait until a command runs."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

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

AuditAction = Literal["verify"]
Suspects = Literal["annotator", "source", "batch"]
New = Annotated[bool, typer.Option("--new", help="Open a new round even where no new feedback waits.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("round")
def round_(
    overrides: Overrides = None,
    workspace: Place = None,
    new: New = False,
    reopen: Annotated[bool, typer.Option("--reopen", help="Drop an unfinished round and open it anew.")] = False,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a round that runs already.")] = 0,
) -> None:
    """Run a round: continue an unfinished one, or open the next."""
    from flows.command import run_round

    run_round(workspace, overrides or [], new=new, reopen=reopen, wait=wait)


@app.command()
def plan(overrides: Overrides = None, workspace: Place = None, new: New = False, as_json: Json = False) -> None:
    """Say what a round would do now, and why. Nothing is started or written."""
    from flows.plan import show_plan

    show_plan(workspace, overrides or [], new, as_json)


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
def lineage(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="ANYTHING",
            help="policy@champion, policy/3, a round, a run, a hash, a commit, an annotator; kind:NAME where in doubt.",
        ),
    ],
    as_json: Json = False,
    workspace: Place = None,
) -> None:
    """Show where something came from, and what became of it."""
    from flows.lineage import show_lineage

    show_lineage(workspace, asked, as_json)


@app.command()
def diff(
    one: Annotated[str, typer.Argument(metavar="ROUND", help="A round by number, key or run.")],
    two: Annotated[str, typer.Argument(metavar="OTHER", help="The round to compare it with.")],
    as_json: Json = False,
    workspace: Place = None,
) -> None:
    """Show what differed between two rounds: verdict, code, parameters, inputs, data, metrics."""
    from flows.diff import show_diff

    show_diff(workspace, one, two, as_json)


@app.command()
def replay(
    asked: Annotated[str, typer.Argument(metavar="ROUND", help="A finished round by number, key or run.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="An empty or missing folder.")],
    remote: Annotated[
        str | None, typer.Option("--remote", help="DVC remote, by name or address. Default: the round's own.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Also evaluate and decide again; asks evaluate.annotator once more.")
    ] = False,
    workspace: Place = None,
) -> None:
    """Run a finished round again, from its MLflow run and the DVC remote, and compare every byte."""
    from flows.replay import show_replay

    show_replay(workspace, asked, into, remote, judge)


@app.command()
def gc(
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Remove it; by default it is only shown.")] = False,
    workspace: Place = None,
) -> None:
    """Free the DVC cache of what neither a registered version nor the workspace needs. Feedback stays."""
    from flows.tidy import tidy

    tidy(workspace, yes)


@app.command()
def audit(
    action: Annotated[AuditAction, typer.Argument(help="verify: is every line as it was written?")],
    workspace: Place = None,
) -> None:
    """Check the log of every change of the champion."""
    from flows.audit import verify_audit

    verify_audit(workspace)


@app.command()
def watch(workspace: Place = None) -> None:
    """Compare the feedback that waits with what the champion learned from; trains nothing."""
    from flows.watch import show_watch

    show_watch(workspace)


@app.command()
def blame(
    asked: Annotated[str, typer.Argument(metavar="ROUND", help="A finished round by number, key or run.")],
    by: Annotated[Suspects | None, typer.Option("--by", help="Only these suspects.")] = None,
    least: Annotated[int, typer.Option("--least", min=1, help="Training pairs a suspect has voted on.")] = 20,
    top: Annotated[int, typer.Option("--top", min=1, help="Suspects to try, the largest first.")] = 8,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    as_json: Json = False,
    workspace: Place = None,
) -> None:
    """Train the reward model of a round anew without each source, batch and annotator, and rank who did harm."""
    from flows.blame import show_blame

    show_blame(workspace, asked, (by,) if by else (), least, top, yes, as_json)


@app.command()
def explain(
    prompt: Annotated[str | None, typer.Option("--prompt", help="What was asked.")] = None,
    answer: Annotated[str | None, typer.Option("--answer", help="What was answered.")] = None,
    pair: Annotated[str | None, typer.Option("--pair", metavar="ID", help="Both answers of a preference.")] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=0, help="Candidate and champion on a prompt of the last evaluation.")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="The reward model of this policy version. Default: the champion's.")
    ] = None,
    round_: Annotated[str | None, typer.Option("--round", help="The reward model of this round.")] = None,
    near: Annotated[int, typer.Option("--near", min=0, help="Training preferences to show.")] = 5,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Where to write the page.")] = None,
    as_json: Json = False,
    workspace: Place = None,
) -> None:
    """Say why an answer got its reward: token by token, and the nearest training preferences."""
    from flows.explain import show_explanation

    show_explanation(workspace, version, round_, (prompt, answer), pair, sample, near, html, as_json)


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
