"""Planted drift is found at a stated effect size; where none is planted, there is hardly ever an alarm."""

from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from evaluation.drift import RESAMPLES, DriftCheck, DriftFindings, answers, decide, prompts
from evaluation.statistics.intervals import wilson
from tasks.steps.drift import DriftSettings
from tests.evaluation.drift import planted
from tests.evaluation.drift.planted import LIMITS, compared, quiet

LEVEL = 0.01
SEEDS = 200
NOBODY = np.random.default_rng(1)

N = 300
PLANTED: dict[str, dict[str, Any]] = {
    # the check that has to sound, and what was done to the round
    "tie_rate_shift": {"streams": (planted.people(NOBODY, N), planted.people(NOBODY, N, ties=0.3))},
    "item_time_ratio": {"streams": (planted.people(NOBODY, N), planted.people(NOBODY, N, seconds=4.0))},
    "agreement_drop": {"streams": (planted.people(NOBODY, N), planted.people(NOBODY, N, agree=0.55))},
    "fresh_accuracy_drop": {"labels": (planted.pairs(NOBODY, N), planted.pairs(NOBODY, N, flipped=0.4))},
    "fresh_overconfidence": {"labels": (planted.pairs(NOBODY, N), planted.pairs(NOBODY, N, flipped=0.4))},
    "length_wasserstein": {"spoken": (planted.speaker(NOBODY, N), planted.speaker(NOBODY, N, longer=6.0))},
    "saturation": {"spoken": (planted.speaker(NOBODY, N), planted.speaker(NOBODY, N, reward=3.0))},
    "kl_rise": {"spoken": (planted.speaker(NOBODY, N), planted.speaker(NOBODY, N, kl=7.0))},
    "diversity_loss": {"spoken": (planted.speaker(NOBODY, N), planted.speaker(NOBODY, N, same=0.6))},
    "reward_wasserstein": {"rewards": (NOBODY.normal(size=N), NOBODY.normal(1.5, 1, N))},
    "judge_gap": {"judge": wilson(273, 300), "votes": wilson(183, 300)},  # .91 and .61
}


def alarms(found: DriftFindings) -> set[str]:
    return {one.check.name for one in decide(found.checks, LEVEL) if one.alarm}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_drift_is_found_and_nothing_else(name: str) -> None:
    look = quiet(seed=3)._replace(**PLANTED[name])
    together = {"fresh_accuracy_drop", "fresh_overconfidence"}  # a model that is wrong more often is too sure
    assert alarms(compared(look)) == (together if name in together else {name})


@pytest.mark.parametrize(("before", "now"), [(8, 16), (16, 8)])
def test_longer_and_shorter_answers_are_no_less_varied(before: int, now: int) -> None:
    rng = np.random.default_rng(4)
    spoken = planted.speaker(rng, N, words=before), planted.speaker(rng, N, words=now)
    [found] = [check for check in answers.drift(*spoken, LIMITS, 10, seed=0).checks if check.name == "diversity_loss"]
    assert abs(found.effect) < 0.05


def test_answers_without_two_words_have_lost_all_variety() -> None:
    rng = np.random.default_rng(4)
    spoken = planted.speaker(rng, N), planted.speaker(rng, N, words=1)
    [found] = [check for check in answers.drift(*spoken, LIMITS, 10, seed=0).checks if check.name == "diversity_loss"]
    assert found.effect == 1


def test_every_check_has_a_planted_drift() -> None:
    asked = planted.prompts(NOBODY, 40)
    checks = compared(quiet(0)).checks + prompts.drift(asked, asked, LIMITS, 10, 0).checks
    assert {check.name for check in checks} == {*PLANTED, "prompt_auc", "prompt_topic_psi", "prompt_length_psi"}


def test_every_check_can_sound_at_the_lowest_level_that_is_taken() -> None:
    found = decide(
        [DriftCheck(name, 1.0, 0.5, 1 / (RESAMPLES + 1), "", "") for name in [*PLANTED, "a", "b", "c"]], LEVEL
    )
    assert all(one.alarm for one in found)
    with pytest.raises(ValidationError):
        DriftSettings(level=LEVEL / 2)


def test_other_questions_are_found() -> None:
    # two in five new prompts are about things that nobody asked about before: an AUC of .5 + .4 / 2, give or take
    rng = np.random.default_rng(0)
    found = prompts.drift(planted.prompts(rng, 500), planted.prompts(rng, 500, other=0.4), LIMITS, 10, seed=0)
    assert {"prompt_auc"} <= alarms(found) <= {"prompt_auc", "prompt_topic_psi"}
    assert 0.6 < found.checks[0].effect < 0.75


def test_other_shares_of_the_same_questions_are_found() -> None:
    things = ["the kettle leaks again", "my train was late", "is soup on today's menu"]
    before, now = (
        [thing for thing, count in zip(things, counts, strict=True) for _ in range(count)]
        for counts in ((600, 600, 600), (600, 150, 150))
    )
    kept, new = prompts.topics(before, now, seed=0)
    assert sorted(kept / kept.sum()) == pytest.approx([1 / 3] * 3, abs=0.04)  # a random half of them
    assert sorted(new) == [150, 150, 600]
    [check] = [c for c in prompts.drift(before, now, LIMITS, 10, seed=0).checks if c.name == "prompt_topic_psi"]
    # (2/3 - 1/3) ln 2 + 2 (1/6 - 1/3) ln 1/2
    assert check.effect == pytest.approx(0.46, abs=0.1)
    assert check.p < 1e-9


def test_longer_questions_are_found() -> None:
    rng = np.random.default_rng(0)
    found = prompts.drift(planted.prompts(rng, 500), planted.prompts(rng, 500, longer=3), LIMITS, 10, seed=0)
    assert "prompt_length_psi" in alarms(found)


def test_noisier_votes_are_no_worse_model() -> None:
    """A quarter of the votes is turned round, and that is known: the ceiling falls with the accuracy."""
    rng = np.random.default_rng(0)
    before, now = planted.pairs(rng, N), planted.pairs(rng, N, flipped=0.25)
    told = before._replace(ceiling=0.8), now._replace(ceiling=0.65)
    blind, knowing = (compared(quiet(3)._replace(labels=sides)) for sides in ((before, now), told))
    [effect], [corrected] = (
        [check.effect for check in found.checks if check.name == "fresh_accuracy_drop"] for found in (blind, knowing)
    )
    assert corrected == pytest.approx(effect - 0.15)


def test_where_nothing_drifts_there_is_hardly_ever_an_alarm() -> None:
    """By p-values alone, so that even limits set to nothing keep the rate.

    The classifier is fitted once; whose prompt is whose is permuted among its held-out scores.
    """
    rng = np.random.default_rng(0)
    scores = prompts.held_out_scores(planted.prompts(rng, 300), planted.prompts(rng, 300), seed=0)
    pooled = np.concatenate([scores.before, scores.now])
    topics = np.repeat([0, 1, 2], [300, 200, 100])
    words = rng.poisson(8, 600) + 1.0
    surprised = 0
    for seed in range(SEEDS):
        mixed = np.random.default_rng(seed).permutation(pooled)
        dealt = prompts.ClassifierScores(mixed[: len(scores.before)], mixed[len(scores.before) :])
        auc = DriftCheck("prompt_auc", dealt.auc, -inf, dealt.p_value(seed), "", "")
        old, new = map(np.bincount, _dealt(topics, seed))
        topic = prompts.by_topic(old.astype(np.float64), new.astype(np.float64), -inf)
        length = prompts.by_length(*_dealt(words, seed), 10, -inf)
        others = (check._replace(limit=-inf) for check in compared(quiet(seed, n=60), seed).checks)
        checks = [auc, topic, length, *others]
        surprised += any(found.alarm for found in decide(checks, LEVEL))
    assert surprised <= 0.05 * SEEDS


def _dealt(pooled: npt.NDArray[Any], seed: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Two halves, dealt at random."""
    mixed = np.random.default_rng(seed).permutation(pooled)
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]
