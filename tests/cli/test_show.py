"""`rounds show` of a round that is still open."""

import json

from core.files import write_json
from evaluation.verdict import Verdict
from tasks.state import reports
from tasks.state import round as rounds_
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.people.test_candidate_review import FINDING, evaluated
from tests.tasks.rounds.open_round import opened


def test_of_an_open_round_what_there_is_so_far_is_shown(rounds: Rounds, workspace: Workspace) -> None:
    opened(workspace, 4)
    where = ("-w", workspace.root)
    shown = rounds("show", 4, *where)
    assert (shown.code, "4 stands still" in shown.out, "Metrics" in shown.out) == (0, True, False), shown
    evaluated(workspace)
    write_json(workspace.report("verdict"), Verdict(findings=(FINDING,)).to_json())
    for step in ("evaluate", "verdict"):
        reports.note_time(rounds_.read(workspace), step, 3.0, 1.0)
    shown = rounds("show", 4, *where)
    for part in ("Gates", "Maybe.", "Time of steps that have ended", "evaluate/win_rate"):
        assert part in shown.out, shown
    assert json.loads(rounds("show", 4, "--json", *where).out)["metrics"] == {"evaluate/win_rate": 0.6}


def test_without_a_number_it_is_the_first_round_while_no_other_has_finished(
    rounds: Rounds, workspace: Workspace, continued: Workspace
) -> None:
    opened(workspace, 0)
    assert "0 stands still" in rounds("show", "-w", workspace.root).out
    opened(continued, 2)
    assert rounds("show", "-w", continued.root).out.startswith("Round 1")
    missing = rounds("show", 7, "-w", continued.root)
    assert (missing.code, missing.err.partition(":")[0]) == (2, "NotFound")
