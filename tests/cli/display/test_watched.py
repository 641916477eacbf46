"""The open round is followed from its files; the looks are counted by a clock of the tests."""

import io
from collections.abc import Callable

from rich.console import Console

from cli.display.console import console
from cli.display.watched import expected_end, watch
from evaluation.verdict import Verdict
from tasks.people import waiting
from tasks.people.waiting import Candidate
from tasks.state import records
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.rounds.open_round import NOW, began, opened
from tests.tasks.state.recorded import record


class Looks:
    """Does one thing after each look, and ends with Ctrl-C after the last."""

    def __init__(self, *events: Callable[[], object]) -> None:
        self._events = list(events)

    def __call__(self, seconds: float) -> None:
        """What happens while the command sleeps."""
        if not self._events:
            raise KeyboardInterrupt
        self._events.pop(0)()


def followed(workspace: Workspace, *events: Callable[[], object], terminal: bool = False) -> str:
    file = io.StringIO()
    out: Console = console(file=file, width=100, force_terminal=terminal)
    watch(workspace, out, Looks(*events))
    return file.getvalue()


def nothing() -> None:
    """Nothing has changed at the next look."""


def test_a_pipe_gets_a_line_per_change(workspace: Workspace) -> None:
    opened(workspace, 4)
    with holding(workspace.lock, "round 4"):
        began(workspace, "collect", 1.0).add({"collect/answers": 12.0}, 0, 3)
        text = followed(workspace, nothing, lambda: began(workspace, "ingest", 1.0), nothing)
    lines = [line.partition(" ")[2] for line in text.splitlines()]
    assert len(lines) == 2
    assert lines[0].startswith("round 4 runs, step collect; 1 of 3; answers 12; ")
    assert lines[1].startswith("round 4 runs, step ingest; ")


def test_the_end_of_a_round_is_told(workspace: Workspace) -> None:
    opened(workspace, 4)
    text = followed(workspace, lambda: records.write(workspace, record(4, "5", Verdict())))
    lines = [line.partition(" ")[2] for line in text.splitlines()]
    assert lines[0].startswith("round 4 stands still. No process runs it; continue it with `rounds round")
    assert lines[1].startswith("no round is open; round 4 ended with hold. Policy version 5")


def test_a_wait_is_told_with_what_people_can_do(workspace: Workspace) -> None:
    opened(workspace, 4)
    waiting.begin(workspace, "approval", 3600, Candidate(key="ab", candidate="c" * 64))
    text = followed(workspace)
    assert "Round 4 waits for approval: its candidate cccccccccccc passed every gate" in text
    assert "rounds approve 4 --by NAME --why REASON" in text


def test_a_terminal_is_drawn_again_and_gets_its_cursor_back(workspace: Workspace) -> None:
    opened(workspace, 4)
    with holding(workspace.lock, "round 4"):
        began(workspace, "sft", 1.0).add({"sft/loss": 0.5}, 2, 8)
        text = followed(workspace, nothing, terminal=True)
    assert text.count("3 of 8") >= 2
    assert "loss 0.5" in text
    assert text.rstrip().endswith("\x1b[?25h")


def test_a_workspace_without_rounds_says_so(workspace: Workspace) -> None:
    assert "no round has run here yet" in followed(workspace)


def test_an_end_on_another_day_has_its_date() -> None:
    assert expected_end(NOW, NOW).endswith(", in 0 s")
    assert len(expected_end(NOW.replace(day=20), NOW).split()) > len(expected_end(NOW, NOW).split())


def test_the_command_watches(rounds: Rounds) -> None:
    assert "--watch" in rounds("status", "--help").out
