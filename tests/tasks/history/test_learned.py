"""Which rounds learned from an annotator's feedback: from it, or from a champion that had."""

import pytest

from evaluation.verdict import Verdict
from feedback.forgotten import pseudonym
from tasks.history.learned import TrainingRound, rounds_that_learned
from tasks.state.inputs import Champion
from tests.tasks.state.recorded import record


def finished(
    number: int, champion: int | None, forgotten: tuple[str, ...] = (), start: str | None = None
) -> TrainingRound:
    """A round that registered version `number + 1`, compared with version `champion`."""
    made = record(number, str(number + 1), Verdict(bootstrap=True))
    version = Champion(version=str(champion), digest="d") if champion else None
    policy = {"policy": {"start": start}} if start else {}
    changed = {"champion": version, "forgotten": tuple(map(pseudonym, forgotten)), "params": policy}
    return TrainingRound(str(number), number, made.version, made.inputs.model_copy(update=changed))


ROUNDS = [finished(0, None), finished(1, 1), finished(2, 2)]


@pytest.mark.parametrize(
    ("ingested", "expected"),
    [
        ((), {}),
        ((0,), {"0": "feedback", "1": "feedback", "2": "feedback"}),
        ((2,), {"2": "feedback"}),
        ((1, 2), {"1": "feedback", "2": "feedback"}),
    ],
)
def test_feedback_accumulates_from_the_round_that_took_it_in(
    ingested: tuple[int, ...], expected: dict[str, str]
) -> None:
    assert rounds_that_learned(ROUNDS, "ana", ingested) == expected


def test_a_round_that_leaves_the_annotator_out_learns_from_a_champion_that_had_learned() -> None:
    rounds = [*ROUNDS, finished(3, 3, ("ana",)), finished(4, 1, ("ana",)), finished(5, 4, ("ana",))]
    assert rounds_that_learned(rounds, "ana", [1]) == {
        "1": "feedback",
        "2": "feedback",
        "3": "champion",  # version 3, of round 2
        "5": "champion",  # version 4, of round 3
    }


def test_a_policy_that_starts_from_the_sft_model_learns_nothing_from_the_champion() -> None:
    assert rounds_that_learned([*ROUNDS, finished(3, 3, ("ana",), "sft")], "ana", [2]) == {"2": "feedback"}


def test_a_dropped_round_whose_files_are_gone_counts_as_one_that_learned() -> None:
    dropped = TrainingRound("dropped", 2, None, None)
    assert rounds_that_learned([*ROUNDS, dropped], "ana", [2]) == {"2": "feedback", "dropped": "feedback"}
    assert rounds_that_learned([*ROUNDS, dropped], "ana", [3]) == {}
