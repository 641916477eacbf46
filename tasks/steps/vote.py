"""vote: collects fresh, blinded votes on the answers of candidate and champion, and stores them permanently.

A frozen stage, like `ingest`: votes come from outside, and a replay uses the votes that were cast.
"""

from typing import Annotated

from pydantic import SerializeAsAny

from core.plugins import used
from core.settings import BaseSettings
from feedback import store
from feedback.measured import VOTE_ANNOTATORS, VOTE_CAST, VOTE_QUARANTINED
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source
from feedback.sources.people import People
from feedback.sources.simulated import Simulated
from tasks.people import ballots, polls, waiting
from tasks.people.waiting import VotesNeeded, WaitingForPeople
from tasks.state.round import Round
from tasks.state.steplog import StepLog


class VoteSettings(BaseSettings):
    """Who casts the fresh votes: `simulated`, `people`, a source of your own, or `null` for nobody."""

    annotator: Annotated[SerializeAsAny[Source] | None, used("feedback.sources")] = Simulated()
    """With `people` the round waits until they have voted (`rounds votes`); with `null` the verdict is hold."""


def await_votes(round: Round) -> None:
    """Return if the round can go on to its votes: nobody is asked to vote, enough votes are in, or the time is up.

    Raises:
        WaitingForPeople: votes are missing and the time is not up; says until when the round waits.
    """
    workspace, people = round.workspace, round.knobs("vote", VoteSettings).annotator
    if not isinstance(people, People):
        return
    with waiting.changing(workspace):
        wait = waiting.begin(workspace, "votes", people.wait, VotesNeeded(votes=people.votes))
        if wait.ended:
            return
        if polls.count(workspace) < people.votes and not wait.past:
            raise WaitingForPeople(wait)
        waiting.end(workspace, wait)


def votes_requested(round: Round) -> int:
    """How many votes people are asked to cast; 0 if the annotator is not `people`."""
    people = round.knobs("vote", VoteSettings).annotator
    return people.votes if isinstance(people, People) else 0


def vote(round: Round, log: StepLog) -> None:
    """Get votes on the blinded pairs and store them; records that are no vote on such a pair go to quarantine."""
    workspace = round.workspace
    workspace.votes.mkdir(exist_ok=True)
    blinded, pairs_id = ballots.drawn(workspace), ballots.pairs_id(workspace)
    with log.learning():  # the simulated annotator's judging is timed
        records = _records(round, blinded)
    votes, rejected = ballots.unblinded(records, blinded, pairs_id)
    appended = store.append(workspace.votes, votes, round.number)
    rejected += appended.changed
    store.quarantine(workspace.votes, rejected, round.number)
    annotators = len({vote.annotator_id for vote in votes})
    log({VOTE_CAST: len(votes), VOTE_ANNOTATORS: annotators, VOTE_QUARANTINED: len(rejected)}, 0)


def _records(round: Round, blinded: list[ballots.BlindedPair]) -> list[FeedbackEvent | RejectedRecord]:
    annotator = round.knobs("vote", VoteSettings).annotator
    if annotator is None:
        return []
    pairs, cast = [side.pair for side in blinded], polls.cast(round.workspace)
    return list(annotator.read(Intake(round.number, round.seed_for("votes"), pairs, cast)))
