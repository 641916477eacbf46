"""vote: fresh votes on candidate against champion, blinded, by whoever annotates; kept for good.

A frozen stage, like `ingest`: its votes come from outside, and a replay works on those that were cast.
"""

from typing import Annotated

from pydantic import SerializeAsAny

from core.knobs import BaseSettings
from core.plugins import used
from feedback import store
from feedback.measured import VOTE_ANNOTATORS, VOTE_CAST, VOTE_QUARANTINED
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source
from feedback.sources.people import People
from feedback.sources.simulated import Simulated
from tasks.people import ballots, polls, waiting
from tasks.people.waiting import WaitingForPeople, Wanted
from tasks.state.round import Round
from tasks.state.steplog import StepLog


class VoteSettings(BaseSettings):
    """Who gives the fresh votes: `simulated`, `people`, a source of your own, or `null` for nobody."""

    annotator: Annotated[SerializeAsAny[Source] | None, used("feedback.sources")] = Simulated()
    """With `people` the round waits until they have voted (`rounds votes`); with nobody the verdict is
    hold."""


def gather(round: Round) -> None:
    """Let a round go on to its votes. Where people give them: once enough are in, or their time is up.

    Raises:
        Waiting: it is too early.
    """
    workspace, people = round.workspace, round.knobs("vote", VoteSettings).annotator
    if not isinstance(people, People):
        return
    with waiting.changing(workspace):
        wait = waiting.begin(workspace, "votes", people.wait, Wanted(votes=people.votes))
        if wait.ended:
            return
        if polls.count(workspace) < people.votes and not wait.past:
            raise WaitingForPeople(wait)
        waiting.end(workspace, wait)


def asked(round: Round) -> int:
    """Votes that people are asked for; 0 where it is not people who vote."""
    people = round.knobs("vote", VoteSettings).annotator
    return people.votes if isinstance(people, People) else 0


def vote(round: Round, log: StepLog) -> None:
    """Have each pair judged; what is no vote on one of them goes to quarantine."""
    workspace = round.workspace
    workspace.votes.mkdir(exist_ok=True)
    known, name = ballots.drawn(workspace), ballots.batch(workspace)
    with log.learning():  # the simulated annotator's judging
        records = _asked(round, known)
    votes, others = ballots.unblinded(records, known, name)
    appended = store.append(workspace.votes, votes, round.number)
    others += appended.changed
    store.quarantine(workspace.votes, others, round.number)
    people = len({vote.annotator_id for vote in votes})
    log({VOTE_CAST: len(votes), VOTE_ANNOTATORS: people, VOTE_QUARANTINED: len(others)}, 0)


def _asked(round: Round, known: list[ballots.BlindedPair]) -> list[FeedbackEvent | RejectedRecord]:
    annotator = round.knobs("vote", VoteSettings).annotator
    if annotator is None:
        return []
    pairs, cast = [one.pair for one in known], polls.cast(round.workspace)
    return list(annotator.read(Intake(round.number, round.seed_for("votes"), pairs, cast)))
