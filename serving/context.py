"""What all routes of one app share."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from serving.access import Gatekeeper
from serving.filling import LabelFiller
from serving.metrics import ServingMetrics
from serving.settings import ServingSettings
from serving.storage import Storage
from serving.tracing import Tracer
from serving.upkeep import Upkeep
from serving.versions import Follower
from tasks.state.workspace import Workspace

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """The parts of a server for one workspace."""

    workspace: Workspace
    settings: ServingSettings
    follower: Follower
    storage: Storage
    gatekeeper: Gatekeeper
    metrics: ServingMetrics
    tracer: Tracer
    upkeep: Upkeep
    filler: LabelFiller

    @classmethod
    def of(
        cls, workspace: Workspace, settings: ServingSettings, end: Callable[[str], None] = _logger.error
    ) -> "Serving":
        """The parts, before anything is started; `end` is called with the reason why the process has to end."""
        follower, storage = Follower(workspace, settings, end), Storage(workspace)
        gatekeeper = Gatekeeper(storage, settings.requests_per_minute)
        return cls(
            workspace,
            settings,
            follower,
            storage,
            gatekeeper,
            ServingMetrics(follower),
            Tracer(workspace.root, settings.traces, storage.has_answer),
            Upkeep(workspace.root, storage, settings.retention_days),
            LabelFiller(workspace, storage, settings.label),
        )

    def start(self) -> None:
        """Begin to follow the champion, to remove what is older than the retention, and to fill the queue `main`."""
        self.follower.start()
        self.tracer.start()
        self.upkeep.start()
        self.filler.start()

    def close(self) -> None:
        """End all threads, and close the database."""
        self.follower.close()
        self.tracer.close()
        self.upkeep.close()
        self.filler.close()
        self.storage.close()


def serving_of(request: Request) -> Serving:
    """The parts of the app that a request came to."""
    serving: Serving = request.app.state.serving
    return serving
