"""What the open round has found so far."""

from core.files import write_json
from evaluation.verdict import Verdict
from tasks.rounds import so_far
from tasks.state import records, reports
from tasks.state import round as rounds
from tasks.state.reports import Seconds
from tasks.state.workspace import Workspace
from tests.tasks.people.test_candidate_review import FINDING, evaluated
from tests.tasks.rounds.open_round import opened
from tests.tasks.state.recorded import record


def test_only_steps_that_have_ended_count(workspace: Workspace) -> None:
    assert so_far.read(workspace) is None
    opened(workspace, 4)
    evaluated(workspace)
    found = so_far.read(workspace)
    assert found is not None
    assert found == (4, {}, {}, (), ()), "the reports are those of the round before"
    reports.note_time(rounds.read(workspace), "evaluate", 3.0, 1.0)
    found = so_far.read(workspace)
    assert found is not None
    assert found.times == {"evaluate": Seconds(wall=3.0, learning=1.0)}
    assert (found.metrics["evaluate/win_rate"], found.examples[0].before, found.findings) == (0.6, "Maybe.", ())
    assert found.to_json()["verdict"] is None
    write_json(workspace.report("verdict"), Verdict(findings=(FINDING,)).to_json())
    reports.note_time(rounds.read(workspace), "verdict", 1.0, 0.0)
    found = so_far.read(workspace)
    assert found is not None
    assert found.findings == (FINDING,)
    records.write(workspace, record(4, "5", Verdict()))
    assert so_far.read(workspace) is None
