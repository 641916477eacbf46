"""Garbage collection: cached data and stored base models that no registered version and not the workspace needs; never
feedback."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import NotFound
from tasks.history import collected_prompts, unneeded_bases
from tasks.history.collected_prompts import RemovedPrompts
from tasks.registry import audit, consistency
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive
from tasks.registry.ledger import GC
from tasks.registry.versions import VersionStore
from tasks.state import bases, records
from tasks.state.bases import BaseRecord
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.versioning import DataGraph, Stages, stages

FEEDBACK = re.compile(r"part-\d+-\d+\.parquet|quarantine/round-\d+\.jsonl")
"""Paths of the files in a store of feedback or votes, relative to its folder."""


class UnneededData(NamedTuple):
    """What can be removed: files of the cache, and base models."""

    files: tuple[Path, ...]
    bytes: int
    """Of the files."""
    kept: int
    """Number of objects that are needed."""
    bases: tuple[BaseRecord, ...] = ()
    """Stored base models that nothing names."""
    prompts: RemovedPrompts = RemovedPrompts()
    """What rounds collected of prompts whose answers are gone."""


def garbage(workspace: Workspace) -> UnneededData:
    """Find the data that nothing needs. Feedback is never among it.

    Raises:
        NotFound: the dvc.lock of a registered version's round is missing, or MLflow does not know a finished round of
            this workspace, so the needs of its version are unknown.
        BadWorkspace: the cache is shared with other workspaces.
    """
    objects = DataGraph(workspace.root).objects()
    needed = unfold(objects, {*_registered(workspace), *_present(workspace)}) | feedback(objects)
    files = tuple(sorted(file for md5, file in objects.items() if md5 not in needed))
    size = sum(file.stat().st_size for file in files)
    unneeded, prompts = tuple(unneeded_bases.unneeded(workspace)), collected_prompts.removable(workspace)
    return UnneededData(files, size, len(objects) - len(files), unneeded, prompts)


def sweep(workspace: Workspace) -> UnneededData:
    """Remove the data that nothing needs, while no round runs.

    The audit log gets a line, with the versions that were deleted in MLflow before.

    So is what rounds collected of prompts whose answers were removed.

    Raises:
        RoundBusy: a round runs in the workspace.
        Inconsistent: log, records and registry contradict each other, so that the registry may lack versions that need
            the data.
    """
    data, registry = DataGraph(workspace.root), Registry(workspace.root)
    consistency.refuse(workspace, registry)
    with holding(workspace.lock, "garbage collection"):
        data.repair()
        prompts = RemovedPrompts() if records.unfinished(workspace) else collected_prompts.remove_locked(workspace)
        with data.exclusive():
            unneeded = garbage(workspace)
            for file in unneeded.files:
                file.unlink()
        for base in unneeded.bases:
            bases.remove(workspace, base.digest)
    _log(workspace, registry, unneeded)
    return unneeded._replace(prompts=prompts)


def _log(workspace: Workspace, registry: Registry, unneeded: UnneededData) -> None:
    deleted = [found for found in consistency.inspect(workspace, registry) if found.gone]
    if deleted or unneeded.files or unneeded.bases:
        facts: dict[str, Any] = {
            "gone": [found.gone for found in deleted],
            "differences": [found.identity for found in deleted],
        }
        if unneeded.bases:
            facts["bases"] = [base.digest for base in unneeded.bases]
        audit.append(workspace.audit, GC, "rounds", objects=len(unneeded.files), bytes=unneeded.bytes, **facts)
        registry.send()


def unfold(objects: Mapping[str, Path], hashes: Iterable[str]) -> set[str]:
    """The hashes, and for each folder among them the hashes of its files."""
    needed = set(hashes)
    for md5 in [md5 for md5 in needed if md5.endswith(".dir") and md5 in objects]:
        needed |= {entry["md5"] for entry in _listed(objects[md5])}
    return needed


def feedback(objects: Mapping[str, Path]) -> set[str]:
    """All folders in the cache that contain feedback or votes, also of dropped rounds, with their files."""
    folders = [md5 for md5, file in objects.items() if md5.endswith(".dir") and _holds_feedback(file)]
    return unfold(objects, folders)


def _holds_feedback(file: Path) -> bool:
    return any(FEEDBACK.fullmatch(entry["relpath"]) for entry in _listed(file))


def _listed(file: Path) -> list[dict[str, str]]:
    """The entries of a folder object."""
    entries: list[dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return entries


def _registered(workspace: Workspace) -> set[str]:
    """The inputs and outputs of the rounds of all registered versions."""
    store, archive = VersionStore(workspace.root), Archive(workspace.root)
    runs = {version.run_id for name in ("policy", "reward") for version in store.versions(name)}
    known = {past.run_id: past for past in archive.rounds()}
    if lost := runs - known.keys():
        raise NotFound(
            f"registered versions name runs that MLflow does not have: {', '.join(sorted(lost))}; restore them "
            "from a backup of MLflow's database, or delete these versions in MLflow"
        )
    finished = records.numbers(workspace)
    if unknown := [str(number) for number in finished if records.read(workspace, number).run_id not in known]:
        raise NotFound(
            f"{tracking.uri(workspace.root)} does not know round {', '.join(unknown)} of {workspace.root}, so the "
            "data that its version needs is unknown; set MLFLOW_TRACKING_URI to the store in which it was registered"
        )
    needed: set[str] = set()
    for run in runs:
        needed |= _hashes(archive.recorded(known[run]))
    return needed


def _present(workspace: Workspace) -> set[str]:
    """The current data of the workspace, including an unfinished round."""
    return _hashes(stages(workspace.recorded))


def _hashes(recorded: Stages) -> set[str]:
    entries = [entry for stage in recorded.values() for part in ("deps", "outs") for entry in stage.get(part, [])]
    return {entry["md5"] for entry in entries}
