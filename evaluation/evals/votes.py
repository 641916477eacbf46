"""The candidate's win rate over the champion in fresh, blinded votes by people, which decides the promotion."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from core.errors import BadFeedback
from core.metrics import INTERVAL, Metric
from evaluation.evals import CANDIDATE, CHAMPION, Answers, Evaluation, Holdout, Metrics, named
from evaluation.statistics.intervals import flip_test
from evaluation.statistics.outcomes import wins
from feedback.schema import FeedbackEvent, Judgement
from feedback.sources.rule import RuleVotes

WIN_RATE = Metric(
    "win_rate",
    "evaluate",
    "share",
    "above .5",
    "Share of votes for the candidate, ties half. `_p` is the p-value of a two-sided test that swaps the sides of "
    "whole prompt groups. It decides the promotion: the gate `win_rate` needs `_low` above .5.",
    ends=(*INTERVAL, "_p"),
)
VOTES = Metric(
    "votes",
    "evaluate",
    "votes",
    "up",
    "Fresh votes counted. With fewer than 200, the verdict is hold.",
)
VOTE_GROUPS = Metric(
    "vote_groups",
    "evaluate",
    "groups",
    "up",
    "Prompt groups with fresh votes.",
)
VOTE_TIES = Metric(
    "vote_ties",
    "evaluate",
    "share",
    "none",
    "Tie rate: votes that prefer neither answer. Near 1, the round changed almost nothing.",
)
CRITERION = Metric(
    "criterion_<name>",
    "evaluate",
    "share",
    ".5 or more",
    "Win rate under one criterion. The gate `criteria` rejects if one is significantly below .5 (Holm 1979), even if "
    "the overall win rate is above it.",
    ends=(*INTERVAL, "_p"),
)
CRITERION_VOTES = Metric(
    "criterion_<name>_votes",
    "evaluate",
    "votes",
    "up",
    "Fresh votes under this criterion.",
)
CANDIDATE_LEFT = Metric(
    "candidate_left",
    "evaluate",
    "share",
    ".5",
    "Votes in which the candidate was on the left, if the sides were recorded. If it is far from one half, people who "
    "always click left bias the result.",
    rare=True,
)

OVERALL = "overall"
# labels by models do not count: they may share the bias of the models that they judge
VOTERS = ("human", "user", "simulated")


class Ballot(NamedTuple):
    """One vote under one criterion; a lower rank is better."""

    group: str
    prompt_id: str
    candidate: int
    champion: int


class Votes(Evaluation):
    """Win rate in fresh votes, ties half, overall and by criterion, with intervals by prompt group."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Count the votes; {} if there are none.

        Raises:
            BadFeedback: a vote that does not compare one answer of the candidate with one of the champion.
        """
        ballots = count(data.votes)
        metrics: Metrics = {}
        for criterion, cast in sorted(ballots.items()):
            metrics |= _overall(cast) if criterion == OVERALL else _criterion(criterion, cast)
        return metrics | (_left_share(data.votes) if OVERALL in ballots else {})


def count(votes: Iterable[FeedbackEvent]) -> dict[str, list[Ballot]]:
    """The ballots by criterion, spelled as in metrics, without votes by models, withdrawn votes and "can't judge"."""
    ballots: dict[str, list[Ballot]] = defaultdict(list)
    for vote in filter(_counts, votes):
        ours, theirs = _sides(vote)
        for judgement in vote.judgements:
            if ranks := _ranks(judgement):
                ballot = Ballot(vote.prompt_group, vote.prompt_id, ranks[ours], ranks[theirs])
                ballots[named(judgement.criterion)].append(ballot)
    return dict(ballots)


def _counts(vote: FeedbackEvent) -> bool:
    return vote.status == "active" and is_voter(vote)


def is_voter(vote: FeedbackEvent) -> bool:
    """Whether votes of this annotator count: those of people, of a simulation, and of a rule with a known utility.

    Other programs of the type `rule`, such as the code assessments of MLflow, do not count.
    """
    return vote.annotator_type in VOTERS or (vote.annotator_type == "rule" and vote.source == RuleVotes.name())


def _left_share(votes: Iterable[FeedbackEvent]) -> Metrics:
    """Share of votes with the candidate on the left; {} if no sides were recorded."""
    left = [vote.shown_order[0] == _sides(vote)[0] for vote in filter(_counts, votes) if vote.shown_order]
    return {CANDIDATE_LEFT: float(np.mean(left))} if left else {}


def _sides(vote: FeedbackEvent) -> tuple[int, int]:
    """The positions of the candidate's and the champion's answer among the responses."""
    versions = [response.model_version for response in vote.responses]
    if set(versions) != {CANDIDATE, CHAMPION} or len(versions) != 2:
        raise BadFeedback(
            f"vote {vote.source}:{vote.source_id} compares {versions}; a fresh vote compares one answer of "
            f"{CANDIDATE!r} with one of {CHAMPION!r} (their model_version): fix the source, or remove the vote"
        )
    return versions.index(CANDIDATE), versions.index(CHAMPION)


def _ranks(judgement: Judgement) -> tuple[int, int] | None:
    """The ranks of the two responses, or None without a decision."""
    if judgement.outcome.startswith("tie"):
        return 1, 1
    if judgement.outcome != "prefer" or judgement.ranks is None:
        return None
    first, second = judgement.ranks
    return None if first is None or second is None else (first, second)


def _overall(cast: list[Ballot]) -> Metrics:
    ties = float(np.mean([ballot.candidate == ballot.champion for ballot in cast]))
    groups = len({ballot.group for ballot in cast})
    return rate(WIN_RATE, cast) | {VOTES: len(cast), VOTE_GROUPS: groups, VOTE_TIES: ties}


def _criterion(criterion: str, cast: list[Ballot]) -> Metrics:
    label = named(criterion)
    return rate(CRITERION.of(label), cast) | {CRITERION_VOTES.of(label): len(cast)}


def rate(name: str, cast: list[Ballot]) -> Metrics:
    """The candidate's win rate in these votes as metric `name`, with interval by prompt group and p-value."""
    from evaluation.statistics import rates

    ours, theirs, groups = [-b.candidate for b in cast], [-b.champion for b in cast], [b.group for b in cast]
    return rates.win_rate(ours, theirs, groups).named(name) | {f"{name}_p": flip_test(wins(ours, theirs), groups)}


def won(ballot: Ballot) -> float:
    """1 if the candidate won, 0 if the champion won, .5 for a tie."""
    return float(wins(-ballot.candidate, -ballot.champion))
