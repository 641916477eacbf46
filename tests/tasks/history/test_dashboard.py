"""What the dashboard gathers from a workspace made by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from evaluation.statistics.annotators import AnnotatorAgreement
from evaluation.verdict import Finding, Verdict
from feedback.schema import FeedbackEvent, Judgement
from tasks.history import dashboard
from tasks.history.dashboard import DAYS, FRESH, DashboardReader, champion
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.state import feedback_database, readiness, records
from tasks.state.cost import RoundCost
from tasks.state.lock import holding
from tasks.state.records import RoundRecord
from tasks.state.reports import RewardReport
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.feedback.examples import event, vote
from tests.tasks.doctor.cures import mended
from tests.tasks.rounds.open_round import began, opened
from tests.tasks.state.recorded import record

WON = Verdict(findings=(Finding(gate="win_rate", result="promote", reason="61 %", numbers={}),))
METRICS = {
    "evaluate/win_rate": 0.6,
    "evaluate/win_rate_low": 0.55,
    "evaluate/win_rate_high": 0.65,
    "evaluate/votes": 400,
    "curate/agreement": 0.8,
}


class Hands:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def finished(number: int, verdict: Verdict = WON) -> RoundRecord:
    cost = RoundCost(steps={"policy": StepUsage(wall=60.0, sampled=7)}, hour=3.0, currency="EUR")
    changes = {"metrics": METRICS, "cost": cost, "new_feedback": 10 * number}
    return record(number, str(number + 1), verdict).model_copy(update=changes)


def test_a_new_workspace_has_nothing_to_show(workspace: Workspace) -> None:
    board = DashboardReader(workspace).read()
    assert (board.champion, board.progress, board.rounds, board.queues, board.alarms) == (None, None, (), (), ())
    assert (board.incidents, board.problems) == (0, ())
    assert [day.arrived for day in board.days] == [0] * DAYS
    assert board.days[-1].day == board.at.date()
    assert board.waiting is not None
    assert (board.waiting.usable, board.records) == (0, 0)


def test_rounds_have_their_results_and_their_cost(workspace: Workspace) -> None:
    for number in (1, 2):
        records.write(workspace, finished(number, Verdict() if number == 2 else WON))
    one, two = DashboardReader(workspace).read().rounds
    assert (one.number, one.version, one.verdict.result, two.verdict.result) == (1, "2", "promote", "hold")
    assert (one.win_rate, one.votes, one.agreement, one.true_gain) == ((0.6, 0.55, 0.65), 400, (0.8, 0.8, 0.8), None)
    assert one.cost is not None
    assert (one.cost.total.sampled, one.cost.money, two.new_feedback) == (7, 0.05, 20)


def test_what_was_gathered_is_kept_for_two_seconds(workspace: Workspace) -> None:
    hands = Hands()
    reader = DashboardReader(workspace, hands)
    first = reader.read()
    records.write(workspace, finished(1))
    hands.now = FRESH - 0.1
    assert reader.read() is first
    hands.now = FRESH
    assert [entry.number for entry in reader.read().rounds] == [1]


def test_after_an_action_it_is_gathered_anew(workspace: Workspace) -> None:
    reader = DashboardReader(workspace, Hands())
    first = reader.read()
    reader.forget()
    assert reader.read() is not first


def test_a_record_is_read_again_if_its_file_has_changed_and_left_out_if_it_is_gone(workspace: Workspace) -> None:
    hands = Hands()
    reader = DashboardReader(workspace, hands)
    records.write(workspace, finished(1))
    records.write(workspace, finished(2))
    assert [entry.verdict.result for entry in reader.read().rounds] == ["promote", "promote"]
    records.write(workspace, finished(1, Verdict()))
    records.path(workspace, 2).unlink()
    hands.now = FRESH
    assert [(entry.number, entry.verdict.result) for entry in reader.read().rounds] == [(1, "hold")]


def test_a_damaged_record_is_a_problem_and_the_rest_is_shown(workspace: Workspace) -> None:
    records.write(workspace, finished(1))
    records.path(workspace, 2).write_text("{")
    board = DashboardReader(workspace).read()
    assert [entry.number for entry in board.rounds] == [1]
    assert any("00002.json" in problem for problem in board.problems)
    assert board.waiting is not None


def test_a_damaged_audit_log_is_a_problem_until_it_is_mended(workspace: Workspace) -> None:
    """Cut after its first move, it would name an earlier champion, and without a line none."""
    for left, now in (("", "1"), ("1", "2")):
        audit.append(workspace.audit, "promote", "rounds", model="policy", left=left, now=now, reason="won")
    hands = Hands()
    reader = DashboardReader(workspace, hands)
    assert reader.read().problems == ()
    whole = workspace.audit.read_bytes()
    for damaged, version in ((whole.splitlines(keepends=True)[0], "1"), (b"", None), (b"\xff\n", None)):
        workspace.audit.write_bytes(damaged)
        hands.now += FRESH
        board = reader.read()
        assert (board.champion and board.champion.version) == version
        [problem] = board.problems
        assert problem.startswith("the audit log is damaged, so the champion and incidents below may be wrong: ")
    workspace.audit.write_bytes(whole)
    hands.now += FRESH
    assert reader.read().problems == ()


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
@cures("tasks.history.dashboard.DashboardReader._check_audit: rounds doctor")
def test_the_command_named_for_a_damaged_audit_log_mends_it(rounds: Rounds, continued: Workspace) -> None:
    older = continued.audit.read_bytes()
    Registry(continued.root).rollback(None, "rude", "ana")
    continued.audit.write_bytes(older)
    hands = Hands()
    reader = DashboardReader(continued, hands)
    [problem] = reader.read().problems
    _, *command = words(problem, "rounds doctor")
    assert "rounds audit restore" in rounds(*command, "-w", continued.root).out
    mended("audit_log", continued, rounds, "error")
    hands.now += FRESH
    assert reader.read().problems == ()


def test_the_champion_is_that_of_the_last_move_of_the_log(workspace: Workspace) -> None:
    assert champion(workspace) is None
    audit.append(workspace.audit, "bootstrap", "rounds", model="policy", left="", now="1", reason="the first")
    audit.append(workspace.audit, "promote", "rounds", model="policy", left="1", now="2", reason="won")
    audit.append(workspace.audit, "approval", "ana", round=2, reason="good")
    now = champion(workspace)
    assert now is not None
    assert (now.version, now.who, now.reason, now.rolled_back) == ("2", "rounds", "won", False)
    assert now.earlier == ("1",)
    audit.append(workspace.audit, "rollback", "bob", model="policy", left="2", now="1", reason="rude")
    back = champion(workspace)
    assert back is not None
    assert (back.version, back.who, back.reason, back.rolled_back) == ("1", "bob", "rude", True)
    assert back.earlier == (), "a version that was rolled back does not come back by a rollback"
    audit.append(workspace.audit, "force", "bob", model="policy", left="1", now="2", reason="a false alarm")
    audit.append(workspace.audit, "promote", "rounds", model="policy", left="2", now="3", reason="won")
    forced = champion(workspace)
    assert forced is not None
    assert forced.earlier == ("1", "2")


def test_the_open_round_is_shown(workspace: Workspace) -> None:
    records.write(workspace, finished(3))
    opened(workspace, 4)
    began(workspace, "collect", 1.0)
    with holding(workspace.lock, "round 4"):
        progress = DashboardReader(workspace).read().progress
    assert progress is not None
    assert progress.step is not None
    assert (progress.number, progress.activity, progress.step.name) == (4, "runs", "collect")


def stored(workspace: Workspace, days_ago: int, *events: FeedbackEvent) -> None:
    from feedback.store import arrivals

    now = datetime.now(UTC) - timedelta(days=days_ago)
    with feedback_database.opened(workspace) as database:
        arrivals.put(database, events, workspace.feedback, now)


def test_feedback_is_counted_by_the_day_of_its_arrival(workspace: Workspace) -> None:
    stored(workspace, 0, *(vote(f"a{number}") for number in range(3)))
    stored(workspace, 2, vote("b"))
    stored(workspace, DAYS + 2, vote("c"))
    board = DashboardReader(workspace).read()
    today = board.at.date()
    assert {day.day: day.arrived for day in board.days if day.arrived} == {today: 3, today - timedelta(days=2): 1}
    assert len(board.days) == DAYS


def test_fresh_votes_are_counted_by_the_day_of_their_arrival_too(workspace: Workspace) -> None:
    at = datetime.now(UTC) - timedelta(days=2)
    stored(workspace, 2, vote("b"))
    ballot = workspace.ballot("pairs", 1)
    ballot.parent.mkdir(parents=True)
    ballot.write_text(2 * (vote("c", ingested_at=at).model_dump_json() + "\n"))
    board = DashboardReader(workspace).read()
    assert {day.day: day.arrived for day in board.days if day.arrived} == {at.date(): 3}


def test_usable_records_are_counted_apart_from_all_that_wait(workspace: Workspace) -> None:
    """One vote and one abstention wait for three hours; the default is a round after 200 records, or 7 days."""
    skip = event(native="2", judgements=(Judgement(outcome="skip"),))
    stored(workspace, 3, vote("1"), skip)
    board = DashboardReader(workspace).read()
    assert board.waiting is not None
    assert (board.waiting.usable, board.waiting.threshold, board.records) == (1, 200, 2)
    assert board.waiting.due is not None
    assert (board.waiting.due - board.at).days == 3, "seven days less three, and less the time of this test"


def test_the_usable_records_are_kept_for_a_multiple_of_the_time_that_counting_took(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting takes three seconds, so the number is kept for a minute from its end."""
    hands = Hands()

    def slow(workspace: Workspace) -> readiness.StartConditions:
        hands.now += 3.0
        return readiness.readiness(workspace)

    monkeypatch.setattr(dashboard, "readiness", slow)
    reader = DashboardReader(workspace, hands)
    assert shown(reader) == (0, 0)
    stored(workspace, 0, vote("1"))
    hands.now = 62.9
    assert shown(reader) == (0, 1)
    hands.now = 65.0
    assert shown(reader) == (1, 1)


def shown(reader: DashboardReader) -> tuple[int, int]:
    """The usable records, and all."""
    board = reader.read()
    assert board.waiting is not None
    return board.waiting.usable, board.records


def test_the_last_comparison_of_annotators_with_models_is_shown(workspace: Workspace) -> None:
    assert DashboardReader(workspace).read().feedback.model_agreements == ()
    found = AnnotatorAgreement("bob", 40, 0.5, 0.8, 0.001)
    RewardReport(metrics={}, annotators=(found,)).save(workspace.report("reward"))
    assert DashboardReader(workspace).read().feedback.model_agreements == (found,)


def test_agreement_is_that_of_the_feedback_that_waits(workspace: Workspace) -> None:
    """Two people agree on one pair and disagree on the other."""
    cast = [("where?", "ana", (1, 2)), ("where?", "bob", (1, 2)), ("when?", "ana", (1, 2)), ("when?", "bob", (2, 1))]
    votes = [vote(str(ix), ranks, question=ask, annotator_id=who) for ix, (ask, who, ranks) in enumerate(cast)]
    stored(workspace, 0, *votes)
    found = DashboardReader(workspace).read().feedback.agreement
    assert found is not None
    assert (found.pairs, found.share) == (2, 0.5)
