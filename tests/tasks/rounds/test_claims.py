"""Opening a round claims the single events that wait in the feedback database."""

from datetime import UTC, datetime

import pytest
import yaml

from feedback.store import arrivals
from tasks.registry.alias import Registry
from tasks.rounds import opening, plan
from tasks.state import feedback_database, records
from tasks.state import round as rounds
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tests.feedback.examples import vote

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def arrive(workspace: Workspace, native: str) -> None:
    with feedback_database.opened(workspace) as db:
        arrivals.put(db, [vote(native)], workspace.feedback, NOW)


def claimed(round: Round) -> list[str]:
    return [event.source_id for event in feedback_database.claimed(round)]


@pytest.mark.usefixtures("surroundings")
def test_a_round_that_is_opened_freezes_its_claim_and_one_that_is_dropped_gives_it_up(workspace: Workspace) -> None:
    registry = Registry(workspace.root)
    arrive(workspace, "1")
    planned = plan.plan(workspace, [])
    assert planned.reads is not None
    assert planned.reads.inbox == "1 new records in 0 files and the feedback database"
    first = opening.open_round(workspace, [], registry)
    arrive(workspace, "2")
    assert claimed(first) == claimed(rounds.read(workspace)) == ["1"]
    assert yaml.safe_load(workspace.round.read_text())["claim"] == first.claim
    opening.drop(workspace)
    again = opening.open_round(workspace, [], registry)
    assert again.number == first.number
    assert claimed(again) == ["1", "2"]
    assert records.numbers(workspace) == []
