"""What the Prefect UI calls a run: which round it is and how it ended, or why there was nothing to do."""

import logging
from uuid import UUID

from httpx import TransportError
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

_logger = logging.getLogger(__name__)


def entitle(title: str) -> None:
    """Give the flow run that runs now its name in Prefect's list of runs. A server that is away costs the name only."""
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(str(flow_run.id)), name=title)
    except TransportError as error:
        _logger.warning("the Prefect server does not answer, so this run is not called %r there: %s", title, error)
