"""Why a registry has no champion, and what to do: the causes look alike, and each has another cure."""

import os
from typing import TYPE_CHECKING

from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.tools import tracking

if TYPE_CHECKING:
    from tasks.registry.alias import Registry


def first_round_is_due(registry: "Registry") -> bool:
    """True if there is no champion because no round has made one yet, here or elsewhere."""
    return not (registry.versions("policy") or records.numbers(Workspace(registry.root)))


def why(registry: "Registry") -> str:
    """The reason why the alias `champion` is unset, and the cure."""
    workspace = Workspace(registry.root)
    if first_round_is_due(registry) or records.unfinished(workspace):
        return "there is no champion yet; `rounds round` trains the first one"
    unknown = unknown_round(registry)
    if unknown is not None:
        return _another_registry(workspace, unknown)
    former = registry.last_champion()
    cure = promoting(registry)
    if former is None:
        return f"no version was made champion yet; {cure}"
    if registry.find(former) is None:
        return f"policy version {former} was champion, and was deleted in MLflow; {cure}"
    return f"the alias policy@champion was removed in MLflow, where it pointed to version {former}; {cure}"


def promoting(registry: "Registry") -> str:
    """The command that makes the last good champion champion again."""
    former = next(iter(registry.former_champions()), None)
    version = f"version {former}" if former else "a version"
    return f"make {version} champion with `rounds promote {former or 'VERSION'} --reason …`"


def unknown_round(registry: "Registry") -> int | None:
    """The workspace's last round if MLflow does not have its run, so that this is another registry; else None."""
    last = records.last(Workspace(registry.root))
    if last is None or (tracking.exists(registry.root) and tracking.knows(registry.store, last.run_id)):
        return None
    return last.number


def _another_registry(workspace: Workspace, number: int) -> str:
    """The message about a registry that does not have the round of this number."""
    address, own = tracking.uri(workspace.root), workspace.database
    fact = f"{address} does not have the run of round {number} of {workspace.root}, so it is another registry"
    if os.environ.get(tracking.VARIABLE) and own.exists():
        return f"{fact}; unset {tracking.VARIABLE} to use that in {own}, or set it to the one that the round used"
    return (
        f"{fact}, or lost its data; set {tracking.VARIABLE} to the one that the round used, or restore {own} and "
        + (f"{workspace.artifacts} from a backup")
    )
