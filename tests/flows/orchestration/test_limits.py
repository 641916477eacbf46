"""Who holds the slot of a Prefect server."""

from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed, Running

from flows.orchestration.limits import others
from flows.round import rlhf_round

pytestmark = pytest.mark.usefixtures("prefect")


def test_the_rounds_of_a_server_are_named() -> None:
    """Those that run and have begun a round; not one that waits for its turn, or has ended."""
    states: dict[str, State[Any]] = {"round 7": Running(), "round 6: promote": Completed(), "pink-crayfish": Running()}
    with get_client(sync_client=True) as client:
        runs = [client.create_flow_run(rlhf_round, name=name, state=state) for name, state in states.items()]
        assert others() == "round 7"
        for run in runs:
            client.delete_flow_run(run.id)
