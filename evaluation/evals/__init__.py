"""What is measured about a candidate: one file an evaluation. `use: votes` loads `evaluation/evals/votes.py`."""

import functools
import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from core import plugins
from core.plugins import Plugin
from feedback.probes import Probes
from feedback.schema import FeedbackEvent, Prompt

Metrics = dict[str, float]
"""Numbers by name. What can't be measured is left out, never NaN. Names are unique across evaluations."""

CANDIDATE = "candidate"
CHAMPION = "champion"
"""Who gave an answer that fresh votes judge: the `model_version` of the event's responses."""

Array = npt.NDArray[np.float64]
Row = Mapping[str, Any]


class Answers(NamedTuple):
    """One model's answers to the held-out prompts: row i answers prompt i."""

    texts: list[str]
    tokens: npt.NDArray[np.int64]
    """(n,) length in tokens"""
    ended: npt.NDArray[np.bool_]
    """(n,) whether the answer came to its end by itself"""
    reward: Array
    """(n,) score of the reward model that the candidate was trained against"""
    judge: Array
    """(n,) score of the judge model"""
    kl: Array
    """(n,) nats per sequence from the SFT reference"""


class HoldoutPairs(NamedTuple):
    """Held-out preferences of people, and what the models say of them."""

    chosen: list[str]
    rejected: list[str]
    p_chosen: Array
    """(n,) share of the votes that chosen got; one half is a tie"""
    groups: list[str]
    margins: Array
    """(n,) calibrated reward of chosen over rejected: σ(margin) is the probability that chosen wins"""
    judge_margins: Array
    """(n,) the same of the judge model"""
    words: Array
    """(n,) probability that chosen wins, by a logistic regression on words"""
    champion_margins: Array | None = None
    """(n,) the same as `margins` of the champion's reward model; None where the champion learned from none"""


class BothAnswers(NamedTuple):
    """What both models answer to the same prompts."""

    candidate: list[str]
    champion: list[str]


class BothMargins(NamedTuple):
    """Calibrated reward of chosen over rejected, as in `HoldoutPairs`."""

    candidate: Array
    """(n,) of the reward model that the candidate was trained against"""
    champion: Array | None
    """(n,) of the champion's; None where it learned from none"""


class ModelAccess(NamedTuple):
    """The models themselves, for an evaluation that brings prompts or pairs of its own."""

    answer: Callable[[Sequence[Prompt]], BothAnswers]
    """Have both models answer prompts."""
    compare: Callable[[Sequence[Row]], BothMargins]
    """Have both reward models compare the answers of rows with `prompt`, `chosen` and `rejected`."""
    keep: Callable[[str, Sequence[Row]], None]
    """Keep what was found, row by row, under the evaluation's name: in data/reports/probes.json and as a table in
    MLflow."""


class Holdout(NamedTuple):
    """What candidate and champion are both judged on. Nothing here was trained on."""

    prompts: list[Prompt]
    groups: list[str]
    """group of each prompt"""
    votes: list[FeedbackEvent]
    """fresh votes: comparisons of a candidate's answer with a champion's"""
    pairs: HoldoutPairs
    flags: Sequence[Collection[str]] = ()
    """flags of each prompt; none where no prompt has any"""
    judge_scale: float = 1.0
    """what a standard deviation of the judge's score is worth in calibrated log-odds"""
    bench: ModelAccess | None = None
    """the models; None where only answers, pairs and votes are at hand"""
    probes: Probes | None = None
    """traps and attacks that a source of the feedback brings; None where none does"""

    def flagged(self, flag: str) -> npt.NDArray[np.bool_]:
        """(n,) whether a prompt bears the flag."""
        return np.array([flag in flags for flags in self.flags] or [False] * len(self.prompts), dtype=np.bool_)


class Evaluation(Plugin):
    """One kind of measurement of a candidate against the champion."""

    oracle: ClassVar[tuple[str, ...]] = ()
    """Its metrics that rest on a truth which only a simulated world knows. People read them; no gate is shown them."""

    @abstractmethod
    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure; rows of both answers line up with `data.prompts`."""

    def check(self) -> None:
        """Find out, before the round begins, whether what it reads is there.

        Raises:
            BadFeedback: it is not, or cannot be used.
        """


@functools.cache
def oracles() -> frozenset[str]:
    """The metrics that no gate is shown, as evaluations declare them."""
    known = (cast(type[Evaluation], plugins.find(__name__, name)) for name in plugins.names(__name__))
    return frozenset(f"evaluate/{metric}" for evaluation in known for metric in evaluation.oracle)


def named(label: str) -> str:
    """What people named, as a part of a metric's name: "Really polite" is `really_polite`."""
    return re.sub(r"\W+", "_", label.casefold())
