"""A whole round on feedback of somebody who means harm, and everything that shows it afterwards.

A smaller test would not do: the texts pass through tables, reports, plots, cards, MLflow and the registry, and each of
them once ended a round.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from core.files import read_json
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.hostile import PIECES, WORD, Elements, hidden_characters, structure
from tests.profile import PROMOTE, TINY
from tests.workspaces import moved, run_round

pytestmark = pytest.mark.rounds

RECORDS = 40
NAME = f"{WORD} [/red]eve[/bold] $\\frac{{$ <b>\x1b[2J\u202e| {'x' * 300}"
"""An annotator, licence, source and flag."""

FORBIDDEN = {"html_inline", "html_block", "link_open", "image"}


def records() -> Iterator[str]:
    """Preferences whose texts and fields are markup; the pieces are spread over the prompts."""
    for number in range(RECORDS):
        piece = PIECES[number % len(PIECES)].replace("\0", "")
        yield json.dumps({
            "prompt": f"How do I return the kettle number {number}? {piece}",
            "chosen": f"Bring it back {number} {piece}",
            "rejected": f"No idea. {piece}",
            **dict.fromkeys(("annotator_id", "source", "licence", "consent", "rationale"), NAME),
            "source_id": f"../{number}",
            "flags": [NAME, "safety", "intent:<b>x</b>"],
            "annotator_groups": {NAME: NAME},
        }) + "\n"  # fmt: skip


@pytest.fixture(scope="module")
def learned(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 2 has learned from these records, and its candidate is champion."""
    from tasks.state import handing_in

    folder = tmp_path_factory.mktemp("hostile")
    workspace, file = moved(finished, folder / "workspace"), folder / f"{WORD} [red] \x1b[2J.jsonl"
    file.write_text("".join(records()))
    assert handing_in.hand_in(workspace, [file]).new == RECORDS
    run_round(workspace, [*TINY, PROMOTE])
    return workspace


@pytest.mark.parametrize(
    "command",
    [
        ("round", *(word for knob in (*TINY, PROMOTE) for word in ("-S", knob))),  # answered from the record
        ("status",),
        ("show",),
        ("lineage", "policy@champion"),
        ("feedback", "stats"),
        ("feedback", "stats", "--json"),
        ("diff", "1", "2"),
        ("audit", "verify"),
        ("explain", "--sample", "0"),
        ("plan",),
    ],
    ids=lambda words: words[0],
)
def test_commands_show_it(learned: Workspace, rounds: Rounds, command: tuple[str, ...]) -> None:
    result = rounds(*command, "-w", learned.root)
    assert result.code == 0, result.err
    assert hidden_characters(result.out + result.err) == set()


def test_an_annotator_is_not_protected_from_blame_by_a_name(learned: Workspace, rounds: Rounds) -> None:
    result = rounds("blame", "2", "--yes", "--by", "annotator", "--least", "1", "--top", "8", "-w", learned.root)
    assert result.code == 0, result.err
    assert WORD in result.out
    assert hidden_characters(result.out + result.err) == set()
    report = read_json(learned.blame_report(2))
    assert any(WORD in json.dumps(entry) for entry in report["charges"])
    assert learned.blame_plot(2).stat().st_size > 1000


def test_cards_and_pages_have_nothing_of_it_but_text(learned: Workspace) -> None:
    registry = Registry(learned.root)
    champion = registry.champion()
    assert champion is not None
    cards = Archive(learned.root).files(champion.run_id, "card")
    notes = str(registry.store.get_model_version("policy", champion.version).description)
    for text in (*(card.decode() for card in cards.values()), notes):
        assert not FORBIDDEN & structure(text).keys()
        assert hidden_characters(text) == set()
    assert any(WORD in card.decode() for card in cards.values())
    page = Elements((learned.reports / "drift.html").read_text(encoding="utf-8"))
    assert not {name.partition("(")[0] for name in page.found} & {"script", "img", "b(", "a"}


def test_a_rollback_with_a_hostile_reason_breaks_nothing(learned: Workspace, rounds: Rounds, tmp_path: Path) -> None:
    workspace = moved(learned, tmp_path / "workspace")
    reason = f"{NAME} " + "long " * 3000
    for command in (
        ("rollback", "--reason", reason),
        ("status",),
        ("cooldown",),
        ("lineage", "policy/3"),
        ("incident", "open", "--version", "3", "--what", reason, "--by", NAME),
        ("incident", "list"),
        ("status",),
        ("evidence", "policy/3", "--into", str(tmp_path / "evidence.zip")),
        ("promote", "3", "--force", "--reason", reason),
        ("audit", "verify"),
    ):
        result = rounds(*command, "-w", workspace.root)
        assert result.code == 0, (command[0], result.err)
        assert hidden_characters(result.out + result.err) == set()
    with ZipFile(tmp_path / "evidence.zip") as archive:
        [incident] = archive.read("incidents.jsonl").decode().splitlines()
    assert WORD in incident
    assert hidden_characters(incident) == set()
