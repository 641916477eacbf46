"""`rounds explain`: why this score? As text with colours and numbers, as a page, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.app import Folder, Json, Panel, app
from cli.display.console import as_json, console, escaped, grid, plain
from core.errors import BadParams

if TYPE_CHECKING:
    from tasks.analysis.explain import AnswerToExplain, Explained
    from tasks.registry.versions import ModelVersion
    from tasks.state.workspace import Workspace

SIDES = ("chosen", "rejected")


@app.command(rich_help_panel=Panel.ANALYSIS)
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
    json: Json = False,
    workspace: Folder = None,
) -> None:
    """Say why an answer got its reward: token by token, and the nearest training preferences."""
    from core.files import write_text
    from tasks.analysis.explain import asked_version
    from tasks.analysis.explain import explain as explained
    from tasks.analysis.explain.page import page
    from tasks.state.workspace import current_or_new

    place = current_or_new(workspace)
    if version is not None and round_ is not None:
        raise BadParams("--version and --round both name a reward model; give one of them")
    made = asked_version(place, version, round_)
    found = explained(place, made, _answers(place, made, (prompt, answer), pair, sample), near)
    target = html or place.explained / "explanation.html"
    write_text(target, page(found))
    if json:
        print(as_json(found.to_json()))
        return
    out = console()
    out.print(f"Reward model version {made.version}, of round {made.round}", style="bold")
    for one in found.explained:
        _print(out, one)
    if found.missing:
        out.print(f"No training preferences are shown: {found.missing}", style="dim")
    out.print(f"As a page: {target}", style="dim", soft_wrap=True)


def _answers(
    workspace: Workspace,
    made: ModelVersion,
    asked: tuple[str | None, str | None],
    pair_id: str | None,
    number: int | None,
) -> Sequence[AnswerToExplain]:
    """What is to be explained.

    Raises:
        BadParams: not exactly one thing was asked about.
    """
    from tasks.analysis.explain import AnswerToExplain, pair, sample

    prompt, text = asked
    given = [prompt is not None or text is not None, pair_id is not None, number is not None]
    if sum(given) != 1 or (prompt is None) != (text is None):
        raise BadParams("say what to explain: --prompt TEXT --answer TEXT, or --pair ID, or --sample NUMBER")
    if pair_id is not None:
        return pair(workspace, made, pair_id)
    if number is not None:
        return sample(workspace, number)
    return [AnswerToExplain("answer", [{"role": "user", "content": prompt or ""}], text or "")]


def _print(out: Console, one: Explained) -> None:
    from tasks.analysis.explain.page import largest, signed, visible

    told, most = one.attribution, largest(one.attribution)
    out.print()
    out.print(plain(one.answer.title, style="bold"))
    for turn in one.answer.prompt:
        out.print(plain(f"{turn['role']}: {turn['content']}", style="dim"))
    text = Text()
    for piece in told.pieces:
        text.append(escaped(visible(piece.text)), style=_style(piece.total, most))
        text.append(f"[{signed(piece.total)}]", style="dim")
    out.print(text)
    head, likelihood = (sum(getattr(piece, part) for piece in told.pieces) for part in ("head", "likelihood"))
    out.print(
        f"score {signed(told.score)} = blank answer {signed(told.blank)} + head {signed(head)} + likelihood "
        f"{signed(likelihood)}  (left over: {abs(told.error):.4f}, {told.steps} steps)"
    )
    if told.truncated:
        out.print(f"The model did not read the first {told.truncated} tokens of the prompt.")
    if told.cut:
        out.print(f"The model did not read the last {told.cut} tokens of the answer.")
    if one.near:
        out.print(_table(one))


def _table(one: Explained) -> Table:
    table = grid("similar", "prompt", "chosen", "rejected", "by", "round")
    for near in one.near:
        row = near.row
        sides = [plain(getattr(row, side), style="underline" if side == near.side else "") for side in SIDES]
        marked = [Text("≈ ").append_text(text) if text.style else text for text in sides]
        people = ", ".join(near.annotators)
        table.add_row(f"{near.similarity:.2f}", row.prompt[-1]["content"], *marked, people, str(row.round))
    return table


def _style(share: float, most: float) -> str:
    """Blue for what raises the score, orange for what lowers it; as pale as it is little."""
    from tasks.analysis.explain.page import DOWN, UP

    depth = min(abs(share) / most, 1.0)
    red, green, blue = (round(255 + (end - 255) * depth) for end in (UP if share > 0 else DOWN))
    return f"{'white' if depth > 0.6 else 'black'} on rgb({red},{green},{blue})"
