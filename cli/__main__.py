"""The command line: `rounds COMMAND`. Heavy imports wait until a command runs."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from core.errors import RoundsError
from core.proxies import spare_loopback

app = typer.Typer(
    help="Iterative RLHF as an operation: run rounds, see where they stand, roll back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Place = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder with dvc.yaml, params.yaml and data/. A first round makes it."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-S", metavar="KEY=VALUE", help="Set a knob for this round, e.g. -S policy.kl.target=6."),
]

Named = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who. Default: whoever is logged in.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="The incident's number, see `list`.")]

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
    from cli.round import run_round

    run_round(workspace, overrides or [], new=new, reopen=reopen, wait=wait)


@app.command()
def step(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A step of the round, e.g. reward.")],
    workspace: Place = None,
) -> None:
    """Run one step of the open round, without Prefect. This is what dvc.yaml calls."""
    from tasks import steps
    from tasks.state import round as rounds
    from tasks.state.steplog import StepLog
    from tasks.state.workspace import current

    steps.run(steps.find(name), rounds.read(current(workspace)), StepLog())


@app.command()
def plan(overrides: Overrides = None, workspace: Place = None, new: New = False, as_json: Json = False) -> None:
    """Say what a round would do now, and why. Nothing is started or written."""
    from cli.plan import show_plan

    show_plan(workspace, overrides or [], new, as_json)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes to the audit log.")],
    to: Annotated[str | None, typer.Option("--to", metavar="VERSION", help="Default: the champion before.")] = None,
    workspace: Place = None,
) -> None:
    """Make an earlier version of the policy champion again."""
    from cli.promote import rollback_by_hand

    rollback_by_hand(workspace, to, reason)


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="A registered version of the policy, by number.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes to the audit log.")],
    force: Annotated[bool, typer.Option("--force", help="Even if it was rejected or rolled back.")] = False,
    workspace: Place = None,
) -> None:
    """Make a version of the policy champion because a person says so: one that was held, or by force any."""
    from cli.promote import promote_by_hand

    promote_by_hand(workspace, version, reason, force)


@app.command()
def cooldown(
    lift: Annotated[bool, typer.Option("--lift", help="Let rounds promote again.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it goes to the audit log.")] = None,
    workspace: Place = None,
) -> None:
    """Show, or end, the time after a rollback in which no round promotes."""
    from cli.promote import show_cooldown

    show_cooldown(workspace, lift, reason)


@app.command()
def status(workspace: Place = None) -> None:
    """Show champion, candidate and the last rounds with their verdicts."""
    from cli.status import show_status

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
    from cli.lineage import show_lineage

    show_lineage(workspace, asked, as_json)


@app.command()
def evidence(
    asked: Annotated[str, typer.Argument(metavar="VERSION", help="policy/3 or policy@champion.")],
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FILE.zip", dir_okay=False, help="Default: evidence-policy-VERSION.zip."),
    ] = None,
    workspace: Place = None,
) -> None:
    """Pack everything on record about a version into one archive for an auditor."""
    from cli.evidence import pack

    pack(workspace, asked, into)


@app.command()
def diff(
    one: Annotated[str, typer.Argument(metavar="ROUND", help="A round by number, key or run.")],
    two: Annotated[str, typer.Argument(metavar="OTHER", help="The round to compare it with.")],
    as_json: Json = False,
    workspace: Place = None,
) -> None:
    """Show what differed between two rounds: verdict, code, parameters, inputs, data, metrics."""
    from cli.diff import show_diff

    show_diff(workspace, one, two, as_json)


@app.command()
def replay(
    asked: Annotated[str, typer.Argument(metavar="ROUND", help="A finished round by number, key or run.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="An empty or missing folder.")],
    remote: Annotated[
        str | None, typer.Option("--remote", help="DVC remote, by name or address. Default: the round's own.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Also evaluate and decide again, on the votes that were cast.")
    ] = False,
    workspace: Place = None,
) -> None:
    """Run a finished round again, from its MLflow run and the DVC remote, and compare every byte."""
    from cli.replay import show_replay

    show_replay(workspace, asked, into, remote, judge)


@app.command()
def gc(
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Remove it; by default it is only shown.")] = False,
    workspace: Place = None,
) -> None:
    """Free the DVC cache of what neither a registered version nor the workspace needs. Feedback stays."""
    from cli.gc import tidy

    tidy(workspace, yes)


incident = typer.Typer(help="Keep the record of what went wrong: who, what, which version, when.", no_args_is_help=True)
app.add_typer(incident, name="incident")


@incident.command("open")
def open_(
    what: Annotated[str, typer.Option("--what", help="What is wrong, in a sentence.")],
    version: Annotated[str | None, typer.Option("--version", help="Of the policy. Default: the champion.")] = None,
    by: Named = None,
    workspace: Place = None,
) -> None:
    """Open an incident about a version of the policy."""
    from cli.incident import open_incident

    open_incident(workspace, what, version, by)


@incident.command()
def note(
    number: Number,
    said: Annotated[str, typer.Argument(metavar="TEXT", help="What was found or done.")],
    by: Named = None,
    workspace: Place = None,
) -> None:
    """Add to the timeline of an incident."""
    from cli.incident import note_incident

    note_incident(workspace, number, said, by)


@incident.command()
def close(
    number: Number,
    said: Annotated[str, typer.Argument(metavar="TEXT", help="How it ended.")],
    by: Named = None,
    workspace: Place = None,
) -> None:
    """Close an incident."""
    from cli.incident import close_incident

    close_incident(workspace, number, said, by)


@incident.command("list")
def list_(workspace: Place = None) -> None:
    """Show all incidents, newest first."""
    from cli.incident import list_incidents

    list_incidents(workspace)


@incident.command()
def show(number: Number, workspace: Place = None) -> None:
    """Show the timeline of an incident: what was said, and each move of its version."""
    from cli.incident import show_incident

    show_incident(workspace, number)


@app.command()
def audit(
    action: Annotated[AuditAction, typer.Argument(help="verify: is every line as it was written?")],
    workspace: Place = None,
) -> None:
    """Check the log of every promotion, rollback, withdrawal and incident."""
    from cli.audit import verify_audit

    verify_audit(workspace)


@app.command()
def watch(workspace: Place = None) -> None:
    """Look at live feedback on the champion, rolling it back where a guard says so, and at drift; trains nothing."""
    from flows.watch import show_watch

    show_watch(workspace)


@app.command()
def drift(workspace: Place = None) -> None:
    """Draw every column of the newest round's prompts, votes and answers beside the champion's (extra `reports`)."""
    from cli.drift import show_drift

    show_drift(workspace)


votes = typer.Typer(
    help="Hand out the pairs of a round that waits for people's votes, and take the votes in.", no_args_is_help=True
)
app.add_typer(votes, name="votes")


@votes.command()
def pull(
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FILE", dir_okay=False, help="Default: standard output.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Pairs at most.")] = None,
    annotator: Annotated[
        str | None, typer.Option("--annotator", metavar="NAME", help="Who votes: pairs without a vote of theirs.")
    ] = None,
    workspace: Place = None,
) -> None:
    """Hand out pairs, blinded, as JSON lines in the canonical form (docs/feedback.md)."""
    from cli.votes import hand_out

    hand_out(workspace, into, limit, annotator)


@votes.command()
def push(
    files: Annotated[list[Path], typer.Argument(help="Pairs as they were pulled, with judgements and annotator_id.")],
    workspace: Place = None,
) -> None:
    """Take votes in; enough of them, and the round goes on."""
    from cli.votes import take_in

    take_in(workspace, files)


@app.command()
def approve(
    number: Annotated[int, typer.Argument(metavar="ROUND", help="The round that waits for it, by number.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides; it goes to the audit log.")],
    why: Annotated[str, typer.Option("--why", help="The reason; it goes to the audit log.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Do not promote it: the verdict becomes hold.")] = False,
    workspace: Place = None,
) -> None:
    """Approve the candidate of a round that waits for a person's word, or refuse it."""
    from cli.approve import sign

    sign(workspace, number, by, why, refuse)


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
    from cli.blame import show_blame

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
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="Where to write the page.")
    ] = None,
    as_json: Json = False,
    workspace: Place = None,
) -> None:
    """Say why an answer got its reward: token by token, and the nearest training preferences."""
    from cli.explain import show_explanation

    show_explanation(workspace, version, round_, (prompt, answer), pair, sample, near, html, as_json)


@app.command()
def feedback(
    files: Annotated[list[Path], typer.Argument(help="JSON lines in the canonical form (docs/feedback.md).")],
    workspace: Place = None,
) -> None:
    """Hand in feedback; enough of it starts a round where a deployment watches."""
    from cli.feedback import hand_in

    hand_in(workspace, files)


def main() -> None:
    """Run the command line; an error with a cure is printed without a traceback."""
    os.environ.setdefault("DO_NOT_TRACK", "true")  # Prefect, MLflow and the Hugging Face hub heed it
    spare_loopback()
    try:
        app(prog_name="rounds")
    except RoundsError as error:
        typer.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
