from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evaluation.statistics.annotators import AnnotatorAgreement
from feedback.agreement import Agreement
from feedback.label_quality import LabelQuality
from serving.loaded import FollowerState
from serving.pages.dashboard_view import LISTED, answering, dashboard_view
from tasks.history.dashboard import DAYS, ChampionState, Dashboard, DayCount, FeedbackNumbers, FinishedRound
from tasks.rounds.round_progress import OpenRoundState, StepProgress
from tasks.state.readiness import StartConditions

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
STEP = StepProgress("policy", False, (3, 8), "kl 0.5", 42.0, 100.0)


def past(number: int, **metrics: float) -> FinishedRound:
    values = {"number": number, "key": "k", "finished": NOW.isoformat(), "run_id": "r", "experiment": "1"}
    values |= {"version": "2", "verdict": {"result": "hold"}, "new_feedback": 5, "metrics": metrics}
    return FinishedRound.from_json(values)


def board(**changes: Any) -> Dashboard:
    given: dict[str, Any] = {
        "at": NOW,
        "champion": None,
        "progress": None,
        "waiting": StartConditions(30, 40, NOW - timedelta(hours=3), timedelta(days=7), NOW),
        "records": 30,
        "rounds": (),
        "days": tuple(DayCount(NOW.date() - timedelta(days=DAYS - 1 - ix), ix) for ix in range(DAYS)),
        "queues": (),
        "feedback": FeedbackNumbers(),
        "alarms": (),
        "incidents": 0,
    }
    return Dashboard(**(given | changes))


def test_what_waits_and_what_arrived_is_told() -> None:
    view = dashboard_view(board())
    assert (view.now, view.ends) == ("No round is open.", "")
    rest = "The next round starts when 10 more usable records wait, at the latest 2026-12-07 09:00 UTC."
    assert view.waiting == f"30 of 40 usable records wait, the oldest for 3 h. {rest}"
    some = dashboard_view(board(records=34)).waiting
    assert some == (
        f"30 of 40 usable records wait, the oldest for 3 h. 4 more wait from which no round can learn yet. {rest}"
    )
    assert "1 more waits from which no round" in dashboard_view(board(records=31)).waiting
    assert (view.today, view.week) == (29, 29 + 28 + 27 + 26 + 25 + 24 + 23)
    enough = StartConditions(40, 40, NOW, None, NOW)
    assert dashboard_view(board(waiting=enough)).waiting == (
        "40 of 40 usable records wait, the oldest for 0 min. "
        "The next round starts now: 40 usable records wait, and 40 start a round."
    )
    assert dashboard_view(board(waiting=None)).waiting == ""


def test_the_open_round_is_one_sentence() -> None:
    end = NOW + timedelta(seconds=158)
    progress = OpenRoundState(4, "runs", NOW, STEP, 5, 11, "", False, end)
    view = dashboard_view(board(progress=progress))
    assert view.now == "Round 4 runs: step policy, 3 of 8."
    assert view.ends == "expected in 2 min 38 s, at 12:02 UTC"
    stands = progress._replace(activity="stands still", step=None, end=None)
    assert dashboard_view(board(progress=stands)).now == "Round 4 stands still."
    late = progress._replace(end=NOW + timedelta(days=1))
    assert dashboard_view(board(progress=late)).ends == "expected in 1 d 0 h, at 2026-12-01 12:00 UTC"


def test_charts_are_drawn_of_what_was_measured() -> None:
    assert [chart.title for chart in dashboard_view(board()).charts] == ["Feedback a day, last 30 days"]
    won = {"evaluate/win_rate": 0.6, "evaluate/win_rate_low": 0.55, "evaluate/win_rate_high": 0.65}
    agreed_on_one = {"curate/agreement": 0.0, "curate/shared_pairs": 1.0}
    view = dashboard_view(board(rounds=(past(0), past(1, **won, **agreed_on_one), past(2))))
    rates, days, agreed = view.charts
    assert (rates.title, len(rates.points), rates.level is None) == ("Win rate by round", 1, False)
    assert rates.summary == "1: 60% (55% to 65%)."
    assert len(days.bars) == DAYS
    assert agreed.title == "Agreement between annotators by round"
    assert agreed.summary == "1: 0% (0% to 79%)."  # z² / (1 + z²), z = 1.96


def test_the_last_rounds_are_listed_newest_first_and_all_on_demand() -> None:
    rounds = tuple(past(number) for number in range(LISTED + 5))
    view = dashboard_view(board(rounds=rounds))
    assert ([entry.number for entry in view.rounds][:2], len(view.rounds), view.hidden) == ([19, 18], LISTED, 5)
    assert (len(dashboard_view(board(rounds=rounds), all_rounds=True).rounds), view.hidden) == (20, 5)


def test_many_tokens_are_rounded() -> None:
    shown = [dashboard_view(board()).tokens(count) for count in (0, 12_345, 2_874_000, 10_000_000)]
    assert shown == ["0", "12,345", "2.87 M", "10 M"]


def test_annotators_have_shares_with_intervals() -> None:
    numbers = FeedbackNumbers((LabelQuality("ana", 12, 10, 9, 0, 0),), Agreement(2, 0.5, 0.25))
    view = dashboard_view(board(feedback=numbers))
    [row] = view.annotators
    assert row == ("ana", "12", "9 of 10 (60% to 98%)", "–", "–")
    assert view.agreement == "50% on 2 pairs with two judgements or more that wait, Krippendorff's alpha 0.25."


def test_annotators_who_were_compared_with_models_are_listed_with_their_most_significant_comparison() -> None:
    """Bob contradicts the others, above all in the newest round; cy was never on the label page."""
    model_agreements = (
        AnnotatorAgreement("bob", 40, 0.5, 0.8, 0.001, newest=True),
        AnnotatorAgreement("bob", 90, 0.7, 0.8, 0.04),
        AnnotatorAgreement("cy", 1200, 0.81, 0.79, 1.0),
    )
    numbers = FeedbackNumbers((LabelQuality("bob", 1234, 0, 0, 2, 1),), None, model_agreements)
    bob, cy = dashboard_view(board(feedback=numbers)).annotators
    assert bob == ("bob", "1,234", "–", "1 of 2 (9% to 91%)", "50% of 40 new votes, others 80% (p 0.001)")
    assert cy == ("cy", "–", "–", "–", "81% of 1,200 votes, others 79% (p 1)")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (FollowerState("2", (), None), ""),
        (FollowerState("1", (), "the files of version 2 differ"), "Version 1 answers: the files of version 2 differ"),
        (FollowerState(None, (), "version 2 is being loaded"), "No version answers: version 2 is being loaded"),
        (
            FollowerState("3", (), None),
            "Version 3 answers: the alias was moved without this audit log; `rounds doctor` says more",
        ),
    ],
)
def test_why_another_version_answers_than_the_champion(state: FollowerState, told: str) -> None:
    assert answering(state, ChampionState("2", "", "rounds", "", False, ())) == told
    assert answering(state, None) == ""
