"""Versions that another server writes the answers of: found there, or handed over."""

from models import upstream_adapters
from models.upstream import Upstream, UpstreamModel
from tasks.registry.alias import Registry
from tasks.registry.versions import ModelVersion
from tasks.rounds import version_files
from tasks.state.workspace import Workspace


def found(
    workspace: Workspace, registry: Registry, version: ModelVersion, digest: str, upstream: Upstream
) -> UpstreamModel:
    """A version as the other server has it. If it is to be handed over, its files are compared with the digest before.

    Raises:
        NoUpstream: the server does not answer, or does not have the version.
        BadModel: the version's files differ from those that were registered, or cannot be handed over.
    """
    settings = upstream.settings
    name = settings.name_of(version.version, digest)
    if settings.adapters and version.version not in settings.models and name not in settings.listed():
        with version_files.fetched(workspace, registry, version) as folder:
            upstream_adapters.hand_over(settings, name, folder, version_files.base_of(workspace, folder))
    return UpstreamModel(upstream, settings.check(version.version, digest), digest)


def forgotten(model: UpstreamModel, version: str) -> None:
    """Let the other server forget a version that was handed over.

    Raises:
        NoUpstream: it does not do so.
    """
    settings = model.upstream.settings
    if settings.adapters and version not in settings.models:
        upstream_adapters.take_back(settings, model.name)
