"""Evaluations of a candidate: one file per evaluation. `use: votes` loads `evaluation/evals/votes.py`."""

import functools
import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from core import plugins
from core.metrics import Metric
from core.plugins import Plugin
from feedback.probes import Probes
from feedback.schema import FeedbackEvent, Prompt

Metrics = dict[str, float]
"""Numbers by name. What cannot be measured is omitted, never NaN. Names are unique across evaluations."""

CANDIDATE = "candidate"
CHAMPION = "champion"
"""The two values of `model_version` in the responses of fresh votes."""

Array = npt.NDArray[np.float64]
Row = Mapping[str, Any]


class Answers(NamedTuple):
    """One model's answers to the held-out prompts: row i answers prompt i."""

    texts: list[str]
    tokens: npt.NDArray[np.int64]
    """(n,) length in tokens"""
    ended: npt.NDArray[np.bool_]
    """(n,) whether the answer ended with EOS before the token limit"""
    reward: Array
    """(n,) score of the reward model that the candidate was trained against"""
    judge: Array
    """(n,) score of the judge model"""
    kl: Array
    """(n,) nats per sequence from the SFT reference"""


class HoldoutPairs(NamedTuple):
    """Held-out preferences of people, with the margins of the models."""

    chosen: list[str]
    rejected: list[str]
    p_chosen: Array
    """(n,) share of the votes for chosen; one half is a tie"""
    groups: list[str]
    margins: Array
    """(n,) calibrated reward of chosen over rejected: σ(margin) is the probability that chosen wins"""
    judge_margins: Array
    """(n,) likewise, by the judge model"""
    words: Array
    """(n,) probability that chosen wins, by a logistic regression on words"""
    champion_margins: Array | None = None
    """(n,) like `margins`, by the champion's reward model; None if the champion was trained without one"""


class BothAnswers(NamedTuple):
    """Both models' answers to the same prompts."""

    candidate: list[str]
    champion: list[str]


class BothMargins(NamedTuple):
    """Calibrated reward of chosen over rejected, as in `HoldoutPairs`."""

    candidate: Array
    """(n,) by the reward model that the candidate was trained against"""
    champion: Array | None
    """(n,) by the champion's reward model; None if the champion was trained without one"""


class ModelAccess(NamedTuple):
    """Access to the models, for evaluations with prompts or pairs of their own."""

    answer: Callable[[Sequence[Prompt]], BothAnswers]
    """Sample answers of both models to prompts."""
    compare: Callable[[Sequence[Row]], BothMargins]
    """Compute both reward models' margins on rows with `prompt`, `chosen` and `rejected`."""
    keep: Callable[[str, Sequence[Row]], None]
    """Store result rows under the evaluation's name, in data/reports/probes.json and as a table in MLflow."""


class Holdout(NamedTuple):
    """The held-out data on which candidate and champion are compared. None of it was used in training."""

    prompts: list[Prompt]
    groups: list[str]
    """group of each prompt"""
    votes: list[FeedbackEvent]
    """fresh votes: comparisons of one answer of the candidate with one of the champion"""
    pairs: HoldoutPairs
    flags: Sequence[Collection[str]] = ()
    """flags of each prompt; empty if no prompt has any"""
    judge_scale: float = 1.0
    """calibrated log-odds per standard deviation of the judge's score"""
    models: ModelAccess | None = None
    """the models; None if only answers, pairs and votes are available"""
    probes: Probes | None = None
    """traps and red-team prompts from a feedback source; None if no source has any"""

    def flagged(self, flag: str) -> npt.NDArray[np.bool_]:
        """(n,) whether each prompt has the flag."""
        return np.array([flag in flags for flags in self.flags] or [False] * len(self.prompts), dtype=np.bool_)


class Evaluation(Plugin):
    """One comparison of a candidate with the champion."""

    oracle: ClassVar[tuple[Metric, ...]] = ()
    """Its metrics that depend on the known utility of a simulation or a rule: reported, but hidden from gates."""

    @abstractmethod
    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure. Row i of both answers belongs to prompt i of `data.prompts`."""

    def check(self) -> None:
        """Check, before the round begins, that the files it needs exist and are valid.

        Raises:
            BadFeedback: a file is missing or invalid.
        """


LONGEST_LABEL = 200
"""Characters. MLflow stores names of metrics up to 250, with the step, a prefix and an ending."""


def is_oracle(name: str) -> bool:
    """Whether the full name of a metric is that of one hidden from gates, as evaluations declare them."""
    step, _, within = name.partition("/")
    return any(step == metric.step and (within in metric.names or metric.includes(within)) for metric in _oracles())


@functools.cache
def _oracles() -> tuple[Metric, ...]:
    evaluations = (cast(type[Evaluation], plugins.find(__name__, name)) for name in plugins.names(__name__))
    return tuple(metric for evaluation in evaluations for metric in evaluation.oracle)


def named(label: str) -> str:
    """A label as part of a metric name: "Really polite" becomes `really_polite`. A long one is cut."""
    return re.sub(r"\W+", "_", label.casefold())[:LONGEST_LABEL]
