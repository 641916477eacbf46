"""The server that serving.yaml names as `upstream` answers, and has the champion."""

from collections.abc import Iterator

from core.settings import parse, read
from models.upstream_settings import NoUpstream, UpstreamSettings
from tasks.doctor.diagnosis import Diagnosis, error
from tasks.registry.reading import MirrorReading, version_of
from tasks.registry.trust import DigestSources
from tasks.state.workspace import Workspace
from tasks.tools import mlflow_reading, tracking


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """A server that does not answer, refuses the key, or does not list the champion.

    Raises:
        Unreadable: MLflow cannot be read, so that the champion is unknown.
    """
    values = read(workspace.serving).get("upstream") if workspace.serving.exists() else None
    if values is None:
        return
    knobs = parse(UpstreamSettings, values, str(workspace.serving), ("upstream",))
    try:
        knobs.listed()
        if workspace.database.exists() or not tracking.is_local(workspace.root):
            _check_champion(workspace, knobs)
    except NoUpstream as problem:
        yield error(str(problem))


def _check_champion(workspace: Workspace, knobs: UpstreamSettings) -> None:
    policy = mlflow_reading.registered(workspace, "policy")
    entry = policy.find(policy.alias or "")
    if entry and (champion := version_of("policy", entry)):
        known = DigestSources(workspace, MirrorReading(workspace)).known(champion)
        knobs.check(champion.version, known.digest)
