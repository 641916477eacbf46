"""Planted drift of a stated effect size is detected; without drift, alarms are rare."""

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
RNG = np.random.default_rng(1)

N = 300
PLANTED: dict[str, dict[str, Any]] = {
    # the check that must raise an alarm, and the change to the round
    "tie_rate_shift": {"streams": (planted.people(RNG, N), planted.people(RNG, N, ties=0.3))},
    "item_time_ratio": {"streams": (planted.people(RNG, N), planted.people(RNG, N, seconds=4.0))},
    "agreement_drop": {"streams": (planted.people(RNG, N), planted.people(RNG, N, agree=0.55))},
    "fresh_accuracy_drop": {"labels": (planted.pairs(RNG, N), planted.pairs(RNG, N, flipped=0.4))},
    "fresh_overconfidence": {"labels": (planted.pairs(RNG, N), planted.pairs(RNG, N, flipped=0.4))},
    "length_wasserstein": {"answers": (planted.sampled(RNG, N), planted.sampled(RNG, N, longer=6.0))},
    "saturation": {"answers": (planted.sampled(RNG, N), planted.sampled(RNG, N, reward=3.0))},
    "kl_rise": {"answers": (planted.sampled(RNG, N), planted.sampled(RNG, N, kl=7.0))},
    "diversity_loss": {"answers": (planted.sampled(RNG, N), planted.sampled(RNG, N, same=0.6))},
    "reward_wasserstein": {"rewards": (RNG.normal(size=N), RNG.normal(1.5, 1, N))},
    "judge_gap": {"judge": wilson(273, 300), "votes": wilson(183, 300)},  # .91 and .61
}


def alarms(findings: DriftFindings) -> set[str]:
    return {result.check.name for result in decide(findings.checks, LEVEL) if result.alarm}


@pytest.mark.parametrize("name", PLANTED)
def test_only_the_planted_drift_is_detected(name: str) -> None:
    comparison = quiet(seed=3)._replace(**PLANTED[name])
    together = {"fresh_accuracy_drop", "fresh_overconfidence"}  # a model that is wrong more often is too sure
    assert alarms(compared(comparison)) == (together if name in together else {name})


@pytest.mark.parametrize(("before", "now"), [(8, 16), (16, 8)])
def test_longer_and_shorter_answers_are_no_less_varied(before: int, now: int) -> None:
    rng = np.random.default_rng(4)
    samples = planted.sampled(rng, N, words=before), planted.sampled(rng, N, words=now)
    [loss] = [check for check in answers.drift(*samples, LIMITS, 10, seed=0).checks if check.name == "diversity_loss"]
    assert abs(loss.effect) < 0.05


def test_answers_without_two_words_have_lost_all_variety() -> None:
    rng = np.random.default_rng(4)
    samples = planted.sampled(rng, N), planted.sampled(rng, N, words=1)
    [loss] = [check for check in answers.drift(*samples, LIMITS, 10, seed=0).checks if check.name == "diversity_loss"]
    assert loss.effect == 1


def test_every_check_has_a_planted_drift() -> None:
    questions = planted.prompts(RNG, 40)
    checks = compared(quiet(0)).checks + prompts.drift(questions, questions, LIMITS, 10, 0).checks
    assert {check.name for check in checks} == {*PLANTED, "prompt_auc", "prompt_topic_psi", "prompt_length_psi"}


def test_every_check_can_raise_an_alarm_at_the_lowest_allowed_level() -> None:
    decided = decide(
        [DriftCheck(name, 1.0, 0.5, 1 / (RESAMPLES + 1), "", "") for name in [*PLANTED, "a", "b", "c"]], LEVEL
    )
    assert all(result.alarm for result in decided)
    with pytest.raises(ValidationError):
        DriftSettings(level=LEVEL / 2)


def test_new_topics_are_detected() -> None:
    # two in five new prompts are about things that nobody asked about before: an AUC of .5 + .4 / 2, give or take
    rng = np.random.default_rng(0)
    findings = prompts.drift(planted.prompts(rng, 500), planted.prompts(rng, 500, other=0.4), LIMITS, 10, seed=0)
    assert {"prompt_auc"} <= alarms(findings) <= {"prompt_auc", "prompt_topic_psi"}
    assert 0.6 < findings.checks[0].effect < 0.75


def test_new_shares_of_the_same_topics_are_detected() -> None:
    things = ["the kettle leaks again", "my train was late", "is soup on today's menu"]
    before, now = (
        [item for item, count in zip(things, counts, strict=True) for _ in range(count)]
        for counts in ((600, 600, 600), (600, 150, 150))
    )
    old, new = prompts.topics(before, now, seed=0)
    assert sorted(old / old.sum()) == pytest.approx([1 / 3] * 3, abs=0.04)  # a random half of them
    assert sorted(new) == [150, 150, 600]
    [check] = [c for c in prompts.drift(before, now, LIMITS, 10, seed=0).checks if c.name == "prompt_topic_psi"]
    # (2/3 - 1/3) ln 2 + 2 (1/6 - 1/3) ln 1/2
    assert check.effect == pytest.approx(0.46, abs=0.1)
    assert check.p < 1e-9


def test_longer_questions_are_detected() -> None:
    rng = np.random.default_rng(0)
    findings = prompts.drift(planted.prompts(rng, 500), planted.prompts(rng, 500, longer=3), LIMITS, 10, seed=0)
    assert "prompt_length_psi" in alarms(findings)


def test_noisier_votes_do_not_count_as_a_loss_of_accuracy() -> None:
    """A quarter of the votes is inverted, and that is known: the ceiling falls with the accuracy."""
    rng = np.random.default_rng(0)
    before, now = planted.pairs(rng, N), planted.pairs(rng, N, flipped=0.25)
    with_ceilings = before._replace(ceiling=0.8), now._replace(ceiling=0.65)
    plain, adjusted = (compared(quiet(3)._replace(labels=sides)) for sides in ((before, now), with_ceilings))
    [effect], [corrected] = (
        [check.effect for check in findings.checks if check.name == "fresh_accuracy_drop"]
        for findings in (plain, adjusted)
    )
    assert corrected == pytest.approx(effect - 0.15)


def test_without_drift_alarms_are_rare() -> None:
    """All limits are removed, so that the p-values alone keep the false alarm rate.

    The classifier is fitted once; the labels are permuted among its held-out scores.
    """
    rng = np.random.default_rng(0)
    scores = prompts.held_out_scores(planted.prompts(rng, 300), planted.prompts(rng, 300), seed=0)
    pooled = np.concatenate([scores.before, scores.now])
    topics = np.repeat([0, 1, 2], [300, 200, 100])
    words = rng.poisson(8, 600) + 1.0
    false_alarms = 0
    for seed in range(SEEDS):
        mixed = np.random.default_rng(seed).permutation(pooled)
        permuted = prompts.ClassifierScores(mixed[: len(scores.before)], mixed[len(scores.before) :])
        auc = DriftCheck("prompt_auc", permuted.auc, -inf, permuted.p_value(seed), "", "")
        old, new = map(np.bincount, _random_halves(topics, seed))
        topic = prompts.by_topic(old.astype(np.float64), new.astype(np.float64), -inf)
        length = prompts.by_length(*_random_halves(words, seed), 10, -inf)
        others = (check._replace(limit=-inf) for check in compared(quiet(seed, n=60), seed).checks)
        checks = [auc, topic, length, *others]
        false_alarms += any(result.alarm for result in decide(checks, LEVEL))
    assert false_alarms <= 0.05 * SEEDS


def _random_halves(pooled: npt.NDArray[Any], seed: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Two random halves."""
    mixed = np.random.default_rng(seed).permutation(pooled)
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]
