"""Who holds the slot of a Prefect server."""

from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed, Running

from flows.orchestration import limits
from flows.orchestration.limits import one_at_a_time, others, slot_name
from flows.round import rlhf_round
from tasks.state import identity
from tasks.state.choosing import at
from tasks.state.line import ModelLine
from tasks.tools.lines import note

pytestmark = pytest.mark.usefixtures("prefect")


def test_the_rounds_of_a_server_are_named() -> None:
    """Those that run and have begun a round; not one that waits for its turn, or has ended."""
    states: dict[str, State[Any]] = {"round 7": Running(), "round 6: promote": Completed(), "pink-crayfish": Running()}
    with get_client(sync_client=True) as client:
        runs = [client.create_flow_run(rlhf_round, name=name, state=state) for name, state in states.items()]
        assert others() == "round 7"
        for run in runs:
            client.delete_flow_run(run.id)


def test_every_line_has_a_slot_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    first, second = at(tmp_path / "help desk"), at(tmp_path / "legal")
    names = [slot_name(first), slot_name(second)]
    assert names[0] == f"rlhf-round.help-desk-{identity.made(first).id[:4]}"
    monkeypatch.setattr(limits, "configured", lambda: True)  # the server of the tests is not one that a user set
    with one_at_a_time(first, 0), one_at_a_time(second, 0), get_client(sync_client=True) as client:
        held = {limit.name: limit.active_slots for limit in client.read_global_concurrency_limits()}
    assert {name: held.get(name) for name in names} == dict.fromkeys(names, 1)


def test_two_workspaces_of_one_line_have_one_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    workspaces = [at(tmp_path / name) for name in ("a", "b")]
    for workspace in workspaces:
        note(workspace, ModelLine("help-desk-1a2b"))
    assert {slot_name(workspace) for workspace in workspaces} == {"rlhf-round.help-desk-1a2b"}
