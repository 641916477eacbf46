"""`rounds audit verify` detects edited, removed and moved lines."""

import json
from collections.abc import Callable

import pytest

from evaluation.verdict import Verdict
from tasks.registry import audit
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.state.recorded import record

Damage = Callable[[list[bytes]], list[bytes]]

DAMAGES: dict[str, Damage] = {
    "edited": lambda lines: [lines[0], lines[1].replace(b"rate .61", b"rate .91"), lines[2]],
    "edited at the end": lambda lines: [*lines[:2], lines[2].replace(b"rude", b"fine")],
    "removed": lambda lines: [lines[0], lines[2]],
    "removed at the end": lambda lines: lines[:2],
    "all removed": lambda lines: [],
    "reordered": lambda lines: [lines[0], lines[2], lines[1]],
    "a foreign line at the end": lambda lines: [*lines, lines[2].replace(b"rude", b"fine")],
    "a foreign line between": lambda lines: [lines[0], lines[0], *lines[1:]],
    "one copied from another log": lambda lines: [*lines, b'{"seq": 4, "event": "promote"}\n'],
}


@pytest.fixture
def logged(workspace: Workspace) -> Workspace:
    """A workspace with three moves of the champion."""
    audit.append(workspace.audit, "bootstrap", "rounds", left="", now="1")
    audit.append(workspace.audit, "promote", "rounds", left="1", now="2", reason="win rate .61")
    audit.append(workspace.audit, "rollback", "ana", left="2", now="1", reason="rude")
    return workspace


def test_a_sound_log(rounds: Rounds, finished: Workspace) -> None:
    result = rounds("audit", "verify", "-w", finished.root)
    assert (result.code, result.out) == (0, f"{finished.audit}: 5 lines, verified.\n")
    facts = json.loads(rounds("audit", "verify", "--json", "-w", finished.root).out)
    assert facts == {"lines": 5, "differences": [], "unlogged": []}


def test_a_workspace_without_promotions(rounds: Rounds, workspace: Workspace) -> None:
    result = rounds("audit", "verify", "-w", workspace.root)
    assert (result.code, result.out.startswith(f"{workspace.audit}: no lines")) == (0, True)


def test_a_log_that_was_removed_with_its_side_file(rounds: Rounds, workspace: Workspace) -> None:
    records.write(workspace, record(0, "1", Verdict(bootstrap=True)))
    records.write(workspace, record(1, "2", Verdict()))
    result = rounds("audit", "verify", "-w", workspace.root)
    assert (result.code, result.out) == (2, "")
    assert "version 1 of round 0 became champion" in result.err
    assert "version 2 of round 1 became champion" not in result.err


@pytest.mark.parametrize("head", ["{}", '{"seq": "3", "sha256": ""}', "[]", ""])
def test_a_damaged_side_file(rounds: Rounds, logged: Workspace, head: str) -> None:
    logged.audit.with_name("audit.jsonl.head").write_text(head)
    result = rounds("audit", "verify", "-w", logged.root)
    assert (result.code, result.out) == (2, "")
    assert "audit.jsonl.head" in result.err


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_log(rounds: Rounds, logged: Workspace, damage: Damage) -> None:
    lines = logged.audit.read_bytes().splitlines(keepends=True)
    logged.audit.write_bytes(b"".join(damage(lines)))
    result = rounds("audit", "verify", "-w", logged.root)
    assert (result.code, result.out) == (2, "")
    assert f"Inconsistent: {logged.audit}" in result.err
