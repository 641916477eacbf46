"""reward: fits the reward model on the train pairs and the judge model on disjoint pairs, and calibrates both."""

import logging
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from datasets import Dataset

from core.errors import BadFeedback, BadParams
from core.log import progress_only
from evaluation.statistics import annotators
from models import likelihood_start, ranks
from models.calibration import temperature
from models.loading import Loader
from models.measured import (
    REWARD_ANNOTATORS,
    REWARD_CUT_ANSWERS,
    REWARD_CUT_PROMPTS,
    REWARD_EQUAL_AFTER_CUT,
    REWARD_JUDGE_PAIRS,
    REWARD_PAIRS,
    REWARD_START_CORRELATION,
    REWARD_SURPRISE,
    REWARD_TEMPERATURE,
    REWARD_TRUNCATED,
)
from models.policy import SCRATCH, ModelSettings, Policy
from models.reward import RewardModel, RewardSettings, fit_in_place, start
from models.truncation import Truncation, measure
from tasks.state import loading
from tasks.state.reports import Numbers, RewardReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.tables import load, rows
from tasks.state.workspace import table

_logger = logging.getLogger(__name__)

SAMPLE = 512
"""Pairs of each split by which the start of the models is checked."""
MIN_PAIRS = 20
"""Minimum number of pairs to fit a model on."""


class _Pairs(NamedTuple):
    """The pairs that the two models are trained on, and what was found in them."""

    train: Dataset
    judge: Dataset
    lost: Numbers
    """What the token limits cut."""
    prior: Numbers
    """The start of the likelihood term."""


class _Fitted(NamedTuple):
    """What is kept of a model once it is saved."""

    truncated: int
    temperature: float
    surprise: float
    margins: dict[str, float]
    """Raw margins by pair id, of the pairs that the other model was trained on."""


def reward(round: Round, log: StepLog) -> None:
    """Fit reward model and judge on disjoint pairs; each is calibrated on the pairs that the other was trained on.

    One model at a time is in memory: it is saved and freed before the next is loaded.

    Raises:
        BadFeedback: one of the two splits has fewer than `MIN_PAIRS` pairs, or most pairs are equal once their answers
            are cut to the token limit.
        BadParams: the likelihood term is no good start for a pretrained base (`models.likelihood_start`).
    """
    loader = loading.of_round(round, round.knobs("reward", RewardSettings).launch.sharding)
    pairs = _checked_pairs(round, loader, log)
    fitted = _fit(round, loader, "reward", pairs.train, pairs.judge, log)
    margins = {**fitted.margins, **_fit(round, loader, "judge", pairs.judge, pairs.train, log).margins}
    agreements = annotators.compare(rows(table(round.workspace.preferences, "votes")), margins)
    numbers: Numbers = {
        REWARD_PAIRS: len(pairs.train),
        REWARD_JUDGE_PAIRS: len(pairs.judge),
        REWARD_TRUNCATED: fitted.truncated,
        **pairs.lost,
        REWARD_TEMPERATURE: fitted.temperature,
        REWARD_SURPRISE: fitted.surprise,
        **pairs.prior,
        REWARD_ANNOTATORS: len({agreement.annotator for agreement in agreements}),
    }
    report = RewardReport(metrics=numbers, annotators=tuple(agreements))
    ranks.once(lambda: report.save(round.workspace.report("reward")))


def _checked_pairs(round: Round, loader: Loader, log: StepLog) -> _Pairs:
    """The pairs of both splits that differ after the cut to the token limits, checked with the SFT model."""
    stored = {split: _pairs(round, split) for split in ("train", "judge")}
    knobs, limits = round.knobs("reward", RewardSettings), round.knobs("model", ModelSettings)
    start_model = loader.policy(round.workspace.checkpoint("sft"))
    tokens = limits.max_prompt_tokens, limits.max_answer_tokens
    lost = {split: measure(start_model.tokenizer, list(pairs), *tokens) for split, pairs in stored.items()}
    equal = _check_equal(stored, lost, knobs, limits)
    train, judge = (_without(pairs, lost[split].equal) for split, pairs in stored.items())
    for split, pairs in (("train", train), ("judge", judge)):
        _check_count(pairs, split)
    numbers: Numbers = {
        REWARD_CUT_PROMPTS: _share(lost, "prompts"),
        REWARD_CUT_ANSWERS: _share(lost, "answers"),
        REWARD_EQUAL_AFTER_CUT: equal,
    }
    with log.learning():
        return _Pairs(train, judge, numbers, _check_likelihood(start_model, train, judge, knobs, limits))


def _fit(round: Round, loader: Loader, name: str, pairs: Dataset, others: Dataset, log: StepLog) -> _Fitted:
    """Fit a model, calibrate it on pairs that it was not trained on, save and free it."""
    knobs, limits = round.knobs("reward", RewardSettings), round.knobs("model", ModelSettings)
    with log.learning():
        start_model = loader.trainable(round.workspace.checkpoint("sft"), name)
        reported = log if name == "reward" else progress_only(log)
        model = fit_in_place(start_model, pairs, knobs, limits, round.seed_for(name), reported)
        margins = _calibrate(model, others)

    model.save(round.workspace.checkpoint(name))
    model.scorer.network.release()
    return _Fitted(model.truncated, model.temperature, model.scorer.surprise, dict(margins))


def _check_likelihood(
    base: Policy, train: Dataset, judge: Dataset, knobs: RewardSettings, limits: ModelSettings
) -> Numbers:
    """Check that the likelihood term is a good start; how much of it reward model and judge share; {} without it.

    At most `SAMPLE` pairs of each split are looked at.
    """
    first = [pairs.select(range(min(len(pairs), SAMPLE))) for pairs in (train, judge)]
    margins = []
    for pairs in first:
        model = start(base, pairs, knobs, limits)
        if model is None:
            return {}
        _check_start(model, pairs, limits)
        margins.append(model.margins(first[1]))
        model.scorer.network.release()
    correlation = float(np.corrcoef(margins[0], margins[1])[0, 1])
    return {REWARD_START_CORRELATION: correlation} if np.isfinite(correlation) else {}


def _check_start(model: RewardModel, pairs: Dataset, limits: ModelSettings) -> None:
    """Stop where the base is pretrained; a model from scratch is only warned of, since it knows nothing better."""
    margins, p_chosen = model.margins(pairs), np.array(pairs["p_chosen"])
    if problem := likelihood_start.problem(margins, p_chosen, model.scorer.likelihood):
        if limits.base != SCRATCH:
            raise BadParams(problem)
        _logger.warning("%s", problem)


def _calibrate(model: RewardModel, pairs: Dataset) -> Mapping[str, float]:
    """Fit the model's temperature on pairs it was not trained on; return its raw margins by pair id."""
    margins: npt.NDArray[np.float64] = model.margins(pairs)
    model.temperature = temperature(margins, np.array(pairs["p_chosen"]))
    return dict(zip(pairs["pair_id"], margins.tolist(), strict=True))


def _pairs(round: Round, split: str) -> Dataset:
    pairs = load(table(round.workspace.preferences, split))
    _check_count(pairs, split)
    return pairs


def _check_count(pairs: Dataset, split: str) -> None:
    if len(pairs) < MIN_PAIRS:
        raise BadFeedback(
            f"{len(pairs)} preference pairs in {split}, need {MIN_PAIRS}; bring more feedback, or give {split} a "
            f"larger share with -S curate.split.{split}=…"
        )


def _check_equal(
    stored: Mapping[str, Dataset], lost: Mapping[str, Truncation], knobs: RewardSettings, limits: ModelSettings
) -> float:
    """The share of all pairs that are equal after the cut; a warning if there are any."""
    equal, total = sum(len(cut.equal) for cut in lost.values()), sum(map(len, stored.values()))
    problem = (
        f"{equal} of {total} preference pairs are equal once their answers are cut to "
        f"model.max_answer_tokens={limits.max_answer_tokens}"
    )
    if equal / total > knobs.max_equal_after_cut:
        raise BadFeedback(
            f"{problem}; raise model.max_answer_tokens, or reward.max_equal_after_cut to train on the rest"
        )
    if equal:
        _logger.warning("%s and are left out of training; raise model.max_answer_tokens", problem)
    return float(equal / total)


def _without(pairs: Dataset, rows: Collection[int]) -> Dataset:
    return pairs.select([row for row in range(len(pairs)) if row not in rows]) if rows else pairs


def _share(lost: Mapping[str, Truncation], what: Literal["prompts", "answers"]) -> float:
    """The share of the distinct prompts or answers that are cut, over both splits."""
    cut, total = (sum(getattr(each, name) for each in lost.values()) for name in (f"cut_{what}", what))
    return float(cut / max(total, 1))
