"""`rounds explain`: explain the score of an answer, as coloured text, as an HTML page, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.app import Folder, Json, Panel, app
from cli.display.commands import completed
from cli.display.console import as_json, console, escaped, grid, plain
from core.errors import BadParams

if TYPE_CHECKING:
    from tasks.analysis.explain import AnswerToExplain, Explained
    from tasks.registry.versions import ModelVersion
    from tasks.state.workspace import Workspace

SIDES = ("chosen", "rejected")


@app.command(rich_help_panel=Panel.ANALYSIS)
def explain(
    prompt: Annotated[str | None, typer.Option("--prompt", help="The prompt; needs --answer.")] = None,
    answer: Annotated[str | None, typer.Option("--answer", help="The answer; needs --prompt.")] = None,
    pair: Annotated[
        str | None, typer.Option("--pair", metavar="ID", help="Both answers of this preference pair.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample", min=0, help="The answers of candidate and champion to this prompt of the last evaluation."
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option("--version", help="Use the reward model of this policy version. Default: the champion."),
    ] = None,
    round_: Annotated[str | None, typer.Option("--round", help="Use the reward model of this round.")] = None,
    near: Annotated[int, typer.Option("--near", min=0, help="Number of nearest training preferences to show.")] = 5,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="Where to write the HTML page.")
    ] = None,
    json: Json = False,
    folder: Folder = None,
) -> None:
    """Explain the reward of an answer: token by token, and by the nearest training preferences."""
    from core.files import write_text
    from tasks.analysis.explain import explain as explained
    from tasks.analysis.explain import reward_version
    from tasks.analysis.explain.page import page
    from tasks.state.choosing import current

    workspace = current(folder)
    if version is not None and round_ is not None:
        raise BadParams("--version and --round both choose a reward model; give only one of them")
    registered = reward_version(workspace, version, round_)
    explanation = explained(
        workspace, registered, _answers(workspace, registered, (prompt, answer), pair, sample), near
    )
    target = html or workspace.explanation
    write_text(target, page(explanation))
    if json:
        print(as_json(explanation.to_json()))
        return
    out = console()
    out.print(f"Reward model version {registered.version}, of round {registered.round}", style="bold")
    for item in explanation.explained:
        _print(out, item)
    if explanation.missing:
        shown = completed(f"No training preferences are shown: {explanation.missing}")
        out.print(shown, style="dim", soft_wrap=True)
    out.print(f"HTML page: {target}", style="dim", soft_wrap=True)


def _answers(
    workspace: Workspace,
    registered: ModelVersion,
    question: tuple[str | None, str | None],
    pair_id: str | None,
    number: int | None,
) -> Sequence[AnswerToExplain]:
    """The answers to explain.

    Raises:
        BadParams: none or more than one of the options was given, or only half of --prompt and --answer.
    """
    from tasks.analysis.explain import AnswerToExplain, pair, sample

    prompt, text = question
    given = [prompt is not None or text is not None, pair_id is not None, number is not None]
    if sum(given) != 1 or (prompt is None) != (text is None):
        raise BadParams("give exactly one of: --prompt TEXT with --answer TEXT, --pair ID, --sample NUMBER")
    if pair_id is not None:
        return pair(workspace, registered, pair_id)
    if number is not None:
        return sample(workspace, number)
    return [AnswerToExplain("answer", [{"role": "user", "content": prompt or ""}], text or "")]


def _print(out: Console, item: Explained) -> None:
    from tasks.analysis.explain.page import largest, signed, visible

    attribution, most = item.attribution, largest(item.attribution)
    out.print()
    out.print(plain(item.answer.title, style="bold"))
    for turn in item.answer.prompt:
        out.print(plain(f"{turn['role']}: {turn['content']}", style="dim"))
    text = Text()
    for piece in attribution.pieces:
        text.append(escaped(visible(piece.text)), style=_style(piece.total, most))
        text.append(f"[{signed(piece.total)}]", style="dim")
    out.print(text)
    head, likelihood = (sum(getattr(piece, part) for piece in attribution.pieces) for part in ("head", "likelihood"))
    out.print(
        f"score {signed(attribution.score)} = blank answer {signed(attribution.blank)} + head {signed(head)} "
        f"+ likelihood {signed(likelihood)}  (left over: {abs(attribution.error):.4f}, {attribution.steps} steps)"
    )
    if attribution.truncated:
        out.print(f"The model did not read the first {attribution.truncated} tokens of the prompt.")
    if attribution.cut:
        out.print(f"The model did not read the last {attribution.cut} tokens of the answer.")
    if item.near:
        out.print(_table(item))


def _table(item: Explained) -> Table:
    table = grid("similar", "prompt", "chosen", "rejected", "by", "round")
    for near in item.near:
        row = near.row
        sides = [plain(getattr(row, side), style="underline" if side == near.side else "") for side in SIDES]
        marked = [Text("≈ ").append_text(text) if text.style else text for text in sides]
        people = ", ".join(near.annotators)
        table.add_row(f"{near.similarity:.2f}", row.prompt[-1]["content"], *marked, people, str(row.round))
    return table


def _style(share: float, most: float) -> str:
    """Blue if the piece raises the score, orange if it lowers it; the smaller, the paler."""
    from tasks.analysis.explain.page import DOWN, UP

    depth = min(abs(share) / most, 1.0)
    red, green, blue = (round(255 + (end - 255) * depth) for end in (UP if share > 0 else DOWN))
    return f"{'white' if depth > 0.6 else 'black'} on rgb({red},{green},{blue})"
