"""One round at a time: the workspace's lock, and a strict global limit where a Prefect server runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.settings import PREFECT_API_URL

from tasks.lock import holding
from tasks.workspace import Workspace

SLOT = "rlhf-round"
"""The server's global concurrency limit. A deployment's own limit would not hold across deployments."""

LEASE = 60.0
"""Seconds after which the server takes the slot back from a round that died."""


@contextmanager
def one_at_a_time(place: Workspace, wait: float) -> Iterator[None]:
    """Hold the lock, and the server's slot where there is a server, while the block runs.

    Raises:
        RoundBusy: another round holds the workspace and did not end within `wait` seconds.
    """
    with holding(place.lock, "a round", wait):
        if PREFECT_API_URL.value() is None:
            yield
            return
        _ensure_slot()
        with concurrency(SLOT, occupy=1, strict=True, lease_duration=LEASE, timeout_seconds=max(wait, LEASE * 2)):
            yield


def _ensure_slot() -> None:
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(SLOT, 1)
