"""What the Prefect UI calls a run: which round it is and how it ended, or why there was nothing to do."""

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run


def entitle(title: str) -> None:
    """Give the flow run that runs now its name in Prefect's list of runs."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(UUID(str(flow_run.id)), name=title)
