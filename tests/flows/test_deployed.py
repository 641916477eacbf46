"""The flows that a person starts in the Prefect UI: names of their runs, and the same request made twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from flows.approve import approve
from flows.rollback import rollback
from flows.round import rlhf_round
from flows.watch import watch
from tasks.people import waiting
from tasks.people.approval import AlreadyDecided, NotAsked
from tasks.registry import audit
from tasks.registry.alias import AliasConflict, Registry
from tasks.state import records
from tasks.state.choosing import at
from tasks.state.workspace import Workspace
from tests.tasks.people.test_approval import begin_wait
from tests.tasks.people.waiting_round import opened

pytestmark = pytest.mark.usefixtures("prefect")

Result = tuple[str, Any]
"""Name of a run, and what it returned or raised."""


def ran(flow: Callable[..., Any], **parameters: Any) -> Result:
    """Run a flow to its end."""
    state = flow(**parameters, return_state=True)
    with get_client(sync_client=True) as client:
        name = client.read_flow_run(state.state_details.flow_run_id).name
    return name, state.result(raise_on_failure=False)


def test_a_rollback_says_where_it_went_and_counts_once(continued: Workspace) -> None:
    asked: dict[str, Any] = {"reason": "rude", "workspace": str(continued.root)}
    assert ran(rollback, **asked) == ("rollback to 1", "1")
    assert ran(rollback, **asked) == ("rollback to 1: it is champion already", "1")
    assert ran(rollback, **asked, to="1") == ("rollback to 1: it is champion already", "1")
    assert [entry.event for entry in audit.read(continued.audit)].count("rollback") == 1
    name, error = ran(rollback, **{**asked, "reason": "still rude"})
    assert (name, type(error)) == ("rollback", AliasConflict)
    name, error = ran(rollback, **asked, to="2")
    assert (name, "rolled back earlier (rude)" in str(error)) == ("rollback to 2", True)


def test_an_empty_version_in_the_form_is_none_and_a_number_is_a_version(continued: Workspace) -> None:
    assert ran(rollback, reason="rude", to="", workspace=str(continued.root))[0] == "rollback to 1"
    assert Registry(continued.root).alias() == "1"
    assert ran(rollback, reason="rude", to=1, workspace=str(continued.root))[1] == "1"


def test_an_approval_names_its_round_and_counts_once(surroundings: None, tmp_path: Path) -> None:
    workspace = opened(at(tmp_path / "workspace").root)
    begin_wait(workspace)
    asked: dict[str, Any] = {"round": 3, "by": "ana", "why": "read twenty", "workspace": str(workspace.root)}
    for _ in range(2):
        name, said = ran(approve, **asked)
        assert name == "approve round 3: the next run of the round continues it"
        assert said == "round 3 was approved by ana: read twenty"
    assert len(audit.read(workspace.audit)) == 1
    name, error = ran(approve, **asked, refuse=True)
    assert (name, type(error)) == ("approve round 3", AlreadyDecided)
    name, error = ran(approve, **{**asked, "round": 4})
    assert (name, type(error), "round 4 does not wait" in str(error)) == ("approve round 4", NotAsked, True)
    assert waiting.now(workspace) is not None


def test_a_nightly_round_without_new_feedback_ends_at_once_and_says_so(continued: Workspace) -> None:
    before = records.numbers(continued)
    asked: dict[str, Any] = {"workspace": str(continued.root), "overrides": ["ingest.sources=[]"]}
    name, record = ran(rlhf_round, **asked, when_new_feedback=True)
    assert (name, record) == ("nothing to do: no new feedback: no record waits", None)
    assert records.numbers(continued) == before


def test_a_check_is_named_after_its_time_and_result(continued: Workspace) -> None:
    name, alarms = ran(watch, workspace=str(continued.root))
    day, _, result = name.removeprefix("watch ").partition(": ")
    assert (len(day), day[4], day[13]) == (16, "-", ":")
    assert result == "no alarm: 0 records wait, too few to compare; champion is version 2"
    assert alarms == []
