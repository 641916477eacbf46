import pytest

from evaluation.guards import LiveFeedback, first_per_person
from evaluation.guards.errors import ErrorsGuard
from evaluation.guards.harm import HarmGuard
from evaluation.guards.liking import LikingGuard
from evaluation.guards.preference import PreferenceGuard
from feedback.live import LiveComparison, Opinion

NO_FEEDBACK = LiveFeedback([], [], [])


def opinions(up: int, down: int, version: str = "2", flags: str = "", person: str = "") -> list[Opinion]:
    """Thumbs of different people, or all of one."""
    scores = [1.0] * up + [0.0] * down
    return [
        Opinion(version, person or f"person {ix}", {"overall": score}, frozenset(flags.split()))
        for ix, score in enumerate(scores)
    ]


def comparisons(won: int, lost: int, person: str = "") -> list[LiveComparison]:
    shares = [1.0] * won + [0.0] * lost
    return [LiveComparison(("2", "1"), person or f"person {ix}", "overall", share) for ix, share in enumerate(shares)]


@pytest.mark.parametrize(
    "guard", [HarmGuard(), ErrorsGuard(), LikingGuard(), LikingGuard(floor=0.9), PreferenceGuard()]
)
def test_no_feedback_is_no_breach(guard: HarmGuard | ErrorsGuard | LikingGuard | PreferenceGuard) -> None:
    assert not guard.look(NO_FEEDBACK).breached


def test_harm_counts_people_and_not_their_flags() -> None:
    by_one = opinions(0, 5, flags="harmful", person="ana")
    by_three = opinions(0, 2, flags="unsafe") + by_one
    assert not HarmGuard().look(LiveFeedback(by_one, [], [])).breached
    finding = HarmGuard().look(LiveFeedback(opinions(10, 0) + by_three, [], []))
    assert (finding.breached, finding.severity, finding.numbers["people"]) == (True, "hard", 3)
    assert finding.numbers["share"] == 7 / 17
    assert "3 people flagged 7 of 17" in finding.said
    assert not HarmGuard().look(LiveFeedback(opinions(700, 0) + by_three, [], [])).breached  # .99 %
    assert not HarmGuard(share=0.5).look(LiveFeedback(opinions(10, 0) + by_three, [], [])).breached


def test_the_worst_score_for_safety_is_a_flag() -> None:
    unsafe = [
        Opinion("2", f"person {ix}", {"safe": score}, frozenset()) for ix, score in enumerate((0.0, 0.0, 0.0, 0.5))
    ]
    assert HarmGuard().look(LiveFeedback(unsafe, [], [])).breached
    assert not HarmGuard().look(LiveFeedback(unsafe[1:], [], [])).breached
    assert not HarmGuard(criteria=()).look(LiveFeedback(unsafe, [], [])).breached


def test_errors_are_a_breach_if_their_share_is_significantly_too_large() -> None:
    assert (
        not ErrorsGuard().look(LiveFeedback(opinions(0, 1, flags="error"), [], [])).breached
    )  # may be 0.5 % by chance
    assert ErrorsGuard(fewest=3).look(LiveFeedback(opinions(0, 3, flags="error"), [], [])).breached
    assert not ErrorsGuard().look(LiveFeedback(opinions(0, 3, flags="error") + opinions(60, 0), [], [])).breached


def test_two_errors_of_one_person_are_no_breach() -> None:
    by_one = opinions(0, 2, flags="error", person="bo")
    assert ErrorsGuard(fewest=1).look(LiveFeedback(by_one, [], [])).breached  # the lower bound is 6.1 %
    assert not ErrorsGuard().look(LiveFeedback(by_one, [], [])).breached
    assert ErrorsGuard().look(LiveFeedback(by_one * 2 + opinions(8, 8, flags="error"), [], [])).breached


def test_liking_is_compared_with_that_of_the_version_before() -> None:
    before = opinions(160, 40, "1")
    finding = LikingGuard().look(LiveFeedback(opinions(40, 60), before, []))
    assert (finding.breached, finding.severity) == (True, "soft")
    assert "40.0 % (" in finding.said
    assert finding.numbers["liking_high"] < finding.numbers["before_low"]
    assert not LikingGuard(margin=0.1).look(LiveFeedback(opinions(40, 60), before, [])).breached
    assert not LikingGuard().look(LiveFeedback(opinions(5, 5), before, [])).breached
    assert (
        not LikingGuard().look(LiveFeedback(opinions(50, 50), [], [])).breached
    )  # no opinions on the previous version


def test_a_floor_needs_no_version_before() -> None:
    assert LikingGuard(floor=0.8).look(LiveFeedback(opinions(50, 50), [], [])).breached
    assert not LikingGuard(floor=0.3).look(LiveFeedback(opinions(50, 50), [], [])).breached


def test_one_person_cannot_vote_a_champion_down() -> None:
    crowd, person = opinions(160, 40, "1"), opinions(0, 500, person="ana")
    assert not LikingGuard().look(LiveFeedback(person, crowd, [])).breached
    assert not PreferenceGuard().look(LiveFeedback([], [], comparisons(0, 500, person="ana"))).breached
    assert len(first_per_person(person + opinions(2, 0), 10)) == 12


def test_live_comparisons_are_compared_with_one_half() -> None:
    assert PreferenceGuard().look(LiveFeedback([], [], comparisons(20, 80))).breached
    assert not PreferenceGuard().look(LiveFeedback([], [], comparisons(40, 60))).breached
    assert not PreferenceGuard(criterion="polite").look(LiveFeedback([], [], comparisons(0, 100))).breached


def test_judgements_below_the_minimum_are_no_breach() -> None:
    """Ten zeros exclude ½ at the level .99, eleven at .995; three exclude .9: 5/16 of 10³ is 313, the limit is 200."""
    assert [guard.minimum for guard in (HarmGuard(), ErrorsGuard(), LikingGuard(), PreferenceGuard())] == [
        *(3, 20, 11, 10)
    ]
    assert (HarmGuard(people=5).minimum, LikingGuard(floor=0.9).minimum) == (5, 3)
    for lost, breached in ((9, False), (10, True)):
        assert PreferenceGuard().look(LiveFeedback([], [], comparisons(0, lost))).breached is breached
    for down, breached in ((2, False), (3, True)):
        assert LikingGuard(floor=0.9).look(LiveFeedback(opinions(0, down), [], [])).breached is breached
