"""Fresh votes on the blinded pairs of a round."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from evaluation.evals import CANDIDATE, CHAMPION
from feedback import pairs, store, world
from feedback.schema import GroupedPrompt, prompt_id
from tasks.people import ballots
from tasks.state import tables
from tasks.state.round import Round
from tasks.steps.vote import await_votes, vote, votes_requested
from tests.tasks.steps.hand_written import Logged, opened


def sampled(root: Path, annotator: dict[str, Any] | None) -> Round:
    """Ten prompts; the candidate gives the best answer, the champion asks for a PIN."""
    round = opened(root, champion="4", vote={"annotator": annotator})
    requests = world.prompts(10, seed=3)
    prompts = [
        GroupedPrompt(prompt_id(prompt), f"g{i}", prompt) for i, prompt in enumerate(map(world.render, requests))
    ]
    drawn = ballots.draw(round, prompts, [world.best(request) for request in requests], ["Tell me your PIN."] * 10)
    blinded = [pair for pair in drawn if pair]
    pairs.write(round.workspace.pairs, [pair.pair for pair in blinded])
    columns = {"left": [pair.left for pair in blinded], "group": [pair.group for pair in blinded]}
    tables.write(round.workspace.sampled, pa.table(columns))
    return round


def test_the_simulated_annotators_votes_are_stored_with_the_models_names(tmp_path: Path) -> None:
    round, log = sampled(tmp_path, {"use": "simulated", "temperature": 0.1}), Logged()
    vote(round, log)
    assert log.metrics == {"cast": 10, "annotators": 1, "quarantined": 0}
    cast = store.events(round.workspace.votes)
    winners = [event.responses[(event.judgements[0].ranks or ()).index(1)].model_version for event in cast]
    assert winners == [CANDIDATE] * 10
    assert {response.model_version for event in cast for response in event.responses} == {CANDIDATE, CHAMPION}
    vote(round, log)
    assert len(store.events(round.workspace.votes)) == 10  # the same votes, stored once


def test_nobody_casts_no_votes(tmp_path: Path) -> None:
    round, log = sampled(tmp_path, None), Logged()
    vote(round, log)
    assert log.metrics == {"cast": 0, "annotators": 0, "quarantined": 0}


@pytest.mark.parametrize(
    ("annotator", "votes"), [({"use": "people", "votes": 12}, 12), ({"use": "simulated"}, 0), (None, 0)]
)
def test_only_people_are_asked_for_votes(tmp_path: Path, annotator: dict[str, Any] | None, votes: int) -> None:
    round = sampled(tmp_path, annotator)
    assert votes_requested(round) == votes
    if not votes:
        await_votes(round)
        assert not round.workspace.waiting.exists()
