"""What the next round learns from judgements of the label page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedback import store
from feedback.preferences import preferences
from feedback.rows import PreferenceRow
from feedback.split import SplitSettings
from tasks.people.label_settings import LabelSettings
from tasks.state import feedback_database
from tasks.state.round import Round
from tasks.steps.ingest import ingest
from tests.tasks.people.desk import Desk, fill, furnished, gold, side, stored
from tests.tasks.steps import hand_written
from tests.tasks.steps.hand_written import Logged


def ingested(round: Round) -> list[PreferenceRow]:
    """The pairs that training derives once a round has taken in what waits."""
    claim = feedback_database.claim(round.workspace, round.number)
    ingest(replace(round, claim=claim), Logged())
    return preferences(store.events(round.workspace.feedback), SplitSettings(), "salt").rows


def test_the_next_round_learns_from_judgements_and_not_from_gold_repeats_and_what_was_taken_back(
    tmp_path: Path,
) -> None:
    first = hand_written.opened(tmp_path, ingest={"sources": []})
    workspace = furnished(first.workspace)
    fill(workspace, 20, overlap=3)
    gold(workspace, 3)
    said: dict[str, dict[str, Any]] = {"ana": {"strength": 3}, "bob": {"strength": 1}, "cem": {}}
    with feedback_database.opened(workspace) as db:
        for name, strength in said.items():
            desk = Desk(workspace, db, name, LabelSettings(gold=0.3, repeats=0.5))
            while task := desk.take():
                better = "Good." if "Good." in task.answers else "No." if name == "cem" else "Yes."
                desk.judge(task, preferred=side(task, better), **strength)
        assert {flag for event in stored(db) for flag in event.flags} == {"gold", "repeat"}
        rows = ingested(first)
        assert {row.prompt[0]["content"] for row in rows} == {f"Question {number}?" for number in range(20)}
        for row in rows:
            assert (row.chosen, row.rejected, row.weight, row.n_votes) == ("Yes.", "No.", 3, 3)
            assert row.p_chosen == pytest.approx(2 / 3)
            assert row.strength == pytest.approx((3 / 3 + 1 / 3) / 2)  # two votes state one, both for Yes
        desk = Desk(workspace, db)
        taken_back = desk.undo()
        while taken_back.prompt[0].content.startswith("Gold") or stored(db)[-1].flags:
            taken_back = desk.undo()
        [changed] = [row for row in ingested(replace(first, number=2)) if row.n_votes < 3]
        assert changed.prompt[0]["content"] == taken_back.prompt[0].content
        assert (changed.p_chosen, changed.weight) == (0.5, 2)  # that of bob for Yes and that of cem for No are left
