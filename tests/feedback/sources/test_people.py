"""Votes that people have pushed."""

from feedback.sources import Intake
from feedback.sources.people import People
from tests.feedback.examples import vote
from tests.feedback.sources.judged import pairs


def test_only_pushed_votes_are_read_and_no_pair_is_judged() -> None:
    pushed = [vote("1"), vote("2", ranks=(2, 1))]
    assert list(People().read(Intake(1, 7, pairs(3), pushed))) == pushed
    assert list(People().read(Intake(1, 7, pairs(3)))) == []


def test_nobody_knows_the_noise_of_people() -> None:
    assert People().ceiling([]) is None
    assert People().fingerprint() == ""  # their votes on the next round's pairs start no round
