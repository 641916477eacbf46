"""Commands over a workspace in which somebody outside wrote what they wanted: nothing of it acts on the terminal."""

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings

from core.files import write_json
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.hostile import HOSTILE, WORD, WORST, hidden_characters
from tests.workspaces import moved

COMMANDS = (
    ("status",),
    ("show", "1"),
    ("show", "1", "--json"),
    ("incident", "list"),
    ("incident", "show", "1"),
    ("lineage", "policy/2"),
    ("lineage", "policy/2", "--json"),
    ("feedback", "show", "--last", "1"),
    ("feedback", "show", "--last", "1", "--json"),
)
"""Commands that print what outsiders wrote."""

TYPED = (
    ("lineage", "{}"),
    ("show", "{}"),
    ("diff", "{}", "1"),
    ("params", "{}"),
    ("params", "-S", "{}"),
    ("params", "-S", "policy.steps={}"),
    ("params", "-S", "ingest.sources=[{{use: {}}}]"),
    ("rollback", "--to", "{}", "--reason", "x"),
    ("promote", "{}", "--reason", "x"),
    ("evidence", "{}"),
    ("blame", "{}"),
    ("explain", "--pair", "{}"),
    ("incident", "close", "7", "{}"),
    ("approve", "1", "--by", "{}", "--why", "{}"),
    ("cooldown", "--lift", "--reason", "{}"),
    ("feedback", "show", "{}"),
    ("feedback", "import", "{}"),
    ("feedback", "inspect", "{}"),
    ("feedback", "forget", "--annotator", "{}"),
    ("votes", "push", "{}"),
    ("replay", "{}", "--into", "{}"),
    ("{}",),
    ("status", "{}"),
    ("status", "-w", "{}"),
)
"""Commands with a hostile word in the place of an argument."""


@pytest.fixture(scope="module")
def visited(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the workspace with rounds 0 and 1, whose records tests rewrite."""
    return moved(finished, tmp_path_factory.mktemp("hostile") / "workspace")


def rewrite(workspace: Workspace, text: str) -> None:
    """Put the text in every place of the records that an outsider may have filled."""
    record = records.read(workspace, 1)
    findings = tuple(
        found.model_copy(update={"gate": text, "reason": text, "result": "hold"}) for found in record.verdict.findings
    )
    examples = tuple(
        example.model_copy(update={"prompt": text, "before": text, "after": text}) for example in record.examples
    )
    verdict = record.verdict.model_copy(update={"findings": findings})
    record.model_copy(update={"verdict": verdict, "examples": examples}).save(records.path(workspace, 1))
    _write_log(workspace.audit, text)
    with sqlite3.connect(workspace.database) as database:
        for key in ("rolled_back", "reward_version", "verdict", "note by hand"):
            row = ("policy", "1", key, text)
            database.execute(
                "insert or replace into model_version_tags (name, version, key, value) values (?,?,?,?)", row
            )
    database.close()
    workspace.inbox.mkdir(exist_ok=True)
    for file in workspace.inbox.glob("*"):
        if file.is_file():
            file.unlink()
    (workspace.inbox / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.jsonl").write_text(_event(text))


def _write_log(path: Path, text: str) -> None:
    """An audit log as earlier versions wrote it: texts are in it as they were typed."""
    moves = [("bootstrap", "", "1"), ("promote", "1", "2")]
    entries = [(event, {"model": "policy", "left": a, "now": b, "reason": text}) for event, a, b in moves]
    entries.insert(0, ("incident opened", {"version": "2", "said": text}))
    previous, lines = "", []
    for number, (event, facts) in enumerate(entries, 1):
        entry = {"seq": number, "at": "2026-01-01T00:00:00+00:00", "event": event, "who": text, "facts": facts}
        line = json.dumps({**entry, "previous": previous or "0" * 64}, ensure_ascii=False).encode()
        previous = hashlib.sha256(line).hexdigest()
        lines.append(line + b"\n")
    path.write_bytes(b"".join(lines))
    write_json(path.with_name(path.name + ".head"), {"seq": len(lines), "sha256": previous})


def _event(text: str) -> str:
    """One record with the text in each of its fields, in the form of `rounds feedback import`."""
    fields = ("annotator_id", "source", "source_id", "licence", "consent", "guideline_version", "batch_id")
    record = {"prompt": text, "chosen": f"{text} yes", "rejected": text, "rationale": text, "flags": [text]}
    return json.dumps({**record, **dict.fromkeys(fields, text), "extra": {text: text}}, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_outsiders_wrote_is_shown_and_does_nothing(
    visited: Workspace, rounds: Rounds, command: tuple[str, ...]
) -> None:
    @settings(
        max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    )
    @example(WORST)
    @given(HOSTILE)
    def check(text: str) -> None:
        rewrite(visited, text)
        result = rounds(*command, "-w", visited.root)
        assert (result.code, result.err) == (0, "")
        assert hidden_characters(result.out) == set()
        assert WORD in result.out

    check()


@pytest.mark.parametrize("command", TYPED, ids=" ".join)
def test_what_is_typed_is_shown_in_errors_and_does_nothing(
    visited: Workspace, rounds: Rounds, command: tuple[str, ...]
) -> None:
    words = [word.format(WORST.replace("\0", "")[:200]) for word in command]
    result = rounds(*words, *(() if "-w" in command or command == ("{}",) else ("-w", visited.root)))
    assert result.code in (0, 1, 2)
    assert "Traceback" not in result.err
    assert hidden_characters(result.out + result.err) == set()
    assert result.out + result.err
