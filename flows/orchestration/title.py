"""Names of flow runs in the Prefect UI: the round and its result, or why there was nothing to do."""

import logging
from uuid import UUID

from httpx import TransportError
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from core.shown import noted

LONGEST = 200
"""Characters of a name: more do not fit a line of the Prefect UI."""

_logger = logging.getLogger(__name__)


def name_run(title: str) -> None:
    """Set the name of the current flow run, if there is one. A server that does not answer is logged as a warning."""
    if flow_run.id is None:
        return
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(str(flow_run.id)), name=noted(title, LONGEST))
    except TransportError as error:
        _logger.warning("the Prefect server does not answer; the run was not renamed to %r: %s", title, error)
