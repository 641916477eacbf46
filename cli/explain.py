"""Why this score? As text with colours and numbers, as a page, or as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.errors import BadParams
from core.files import write_text
from tasks.analysis.explain import AnswerToExplain, Explained, asked_version, explain, pair, sample
from tasks.analysis.explain.page import DOWN, UP, largest, page, signed, visible
from tasks.registry.versions import ModelVersion
from tasks.state.workspace import Workspace, current_or_new

SIDES = ("chosen", "rejected")


def show_explanation(
    folder: Path | None,
    version: str | None,
    round: str | None,
    asked: tuple[str | None, str | None],
    pair_id: str | None,
    number: int | None,
    near: int,
    html: Path | None,
    as_json: bool,
) -> None:
    """Explain one answer, or the two of a pair or sample; the page is written all the same.

    Raises:
        BadParams: not exactly one thing was asked about.
    """
    workspace = current_or_new(folder)
    if version is not None and round is not None:
        raise BadParams("--version and --round both name a reward model; give one of them")
    made = asked_version(workspace, version, round)
    found = explain(workspace, made, _answers(workspace, made, asked, pair_id, number), near)
    target = html or workspace.explained / "explanation.html"
    write_text(target, page(found))
    if as_json:
        print(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(f"Reward model version {made.version}, of round {made.round}", style="bold")
    for one in found.explained:
        _print(console, one)
    if found.missing:
        console.print(f"No training preferences are shown: {found.missing}", style="dim")
    console.print(f"As a page: {target}", style="dim", soft_wrap=True)


def _answers(
    workspace: Workspace,
    made: ModelVersion,
    asked: tuple[str | None, str | None],
    pair_id: str | None,
    number: int | None,
) -> Sequence[AnswerToExplain]:
    prompt, text = asked
    given = [prompt is not None or text is not None, pair_id is not None, number is not None]
    if sum(given) != 1 or (prompt is None) != (text is None):
        raise BadParams("say what to explain: --prompt TEXT --answer TEXT, or --pair ID, or --sample NUMBER")
    if pair_id is not None:
        return pair(workspace, made, pair_id)
    if number is not None:
        return sample(workspace, number)
    return [AnswerToExplain("answer", [{"role": "user", "content": prompt or ""}], text or "")]


def _print(console: Console, one: Explained) -> None:
    told, most = one.attribution, largest(one.attribution)
    console.print()
    console.print(Text(one.answer.title, style="bold"))
    for turn in one.answer.prompt:
        console.print(Text(f"{turn['role']}: {turn['content']}", style="dim"))
    text = Text()
    for piece in told.pieces:
        text.append(visible(piece.text), style=_style(piece.total, most))
        text.append(f"[{signed(piece.total)}]", style="dim")
    console.print(text)
    head, likelihood = (sum(getattr(piece, part) for piece in told.pieces) for part in ("head", "likelihood"))
    console.print(
        f"score {signed(told.score)} = blank answer {signed(told.blank)} + head {signed(head)} + likelihood "
        f"{signed(likelihood)}  (left over: {abs(told.error):.4f}, {told.steps} steps)"
    )
    if told.truncated:
        console.print(f"The model did not read the first {told.truncated} tokens of the prompt.")
    if told.cut:
        console.print(f"The model did not read the last {told.cut} tokens of the answer.")
    if one.near:
        console.print(_table(one))


def _table(one: Explained) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("similar", "prompt", "chosen", "rejected", "by", "round"):
        table.add_column(column)
    for near in one.near:
        row = near.row
        sides = [Text(getattr(row, side), style="underline" if side == near.side else "") for side in SIDES]
        marked = [Text("≈ ").append_text(text) if text.style else text for text in sides]
        people = Text(", ".join(near.annotators))
        table.add_row(f"{near.similarity:.2f}", Text(row.prompt[-1]["content"]), *marked, people, str(row.round))
    return table


def _style(share: float, most: float) -> str:
    """Blue for what raises the score, orange for what lowers it; as pale as it is little."""
    depth = min(abs(share) / most, 1.0)
    red, green, blue = (round(255 + (end - 255) * depth) for end in (UP if share > 0 else DOWN))
    return f"{'white' if depth > 0.6 else 'black'} on rgb({red},{green},{blue})"
