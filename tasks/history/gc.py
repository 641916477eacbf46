"""Cached data that nothing needs any more: no registered version, no unfinished or present round, no feedback."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tasks.registry.archive import Archive, NotFound
from tasks.registry.versions import VersionStore
from tasks.state import records
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.versioning import DataGraph, Stages, stages

FEEDBACK = re.compile(r"part-\d+-\d+\.parquet|quarantine/round-\d+\.jsonl")
"""Files of a feedback store (or of votes), as its folder lists them."""


class UnneededData(NamedTuple):
    """What could be removed from the cache."""

    files: tuple[Path, ...]
    bytes: int
    kept: int
    """Objects that stay."""


def garbage(workspace: Workspace) -> UnneededData:
    """What nothing needs. Feedback is never among it.

    Raises:
        NotFound: a registered version's round has no dvc.lock any more, or MLflow does not know a finished round of
            this workspace, so that nobody knows what its version needs.
        BadWorkspace: the cache is shared with other workspaces.
    """
    found = DataGraph(workspace.root).objects()
    needed = unfold(found, {*_registered(workspace), *_present(workspace)}) | feedback(found)
    files = tuple(sorted(file for md5, file in found.items() if md5 not in needed))
    return UnneededData(files, sum(file.stat().st_size for file in files), len(found) - len(files))


def sweep(workspace: Workspace) -> UnneededData:
    """Remove what nothing needs, while no round runs.

    Raises:
        RoundBusy: a round runs.
    """
    data = DataGraph(workspace.root)
    with holding(workspace.lock, "a clean-up"):
        data.repair()
        with data.exclusive():
            found = garbage(workspace)
            for file in found.files:
                file.unlink()
    return found


def unfold(found: Mapping[str, Path], hashes: Iterable[str]) -> set[str]:
    """The hashes, and those of the files in the folders among them."""
    needed = set(hashes)
    for md5 in [md5 for md5 in needed if md5.endswith(".dir") and md5 in found]:
        needed |= {entry["md5"] for entry in _listed(found[md5])}
    return needed


def feedback(found: Mapping[str, Path]) -> set[str]:
    """Every folder in the cache that lists feedback or votes, of dropped rounds as well, with its files."""
    folders = [md5 for md5, file in found.items() if md5.endswith(".dir") and _holds_feedback(file)]
    return unfold(found, folders)


def _holds_feedback(file: Path) -> bool:
    return any(FEEDBACK.fullmatch(entry["relpath"]) for entry in _listed(file))


def _listed(file: Path) -> list[dict[str, str]]:
    """What a folder's object lists."""
    entries: list[dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return entries


def _registered(workspace: Workspace) -> set[str]:
    """What the rounds of all registered versions read and wrote."""
    catalogue, archive = VersionStore(workspace.root), Archive(workspace.root)
    runs = {version.run_id for name in ("policy", "reward") for version in catalogue.versions(name)}
    known = {past.run_id: past for past in archive.rounds()}
    if lost := runs - known.keys():
        raise NotFound(f"registered versions name runs that MLflow does not have: {', '.join(sorted(lost))}")
    finished = records.numbers(workspace)
    if strange := [str(number) for number in finished if records.read(workspace, number).run_id not in known]:
        raise NotFound(
            f"{tracking.uri(workspace.root)} does not know round {', '.join(strange)} of {workspace.root}, so nobody "
            "can tell what its version needs; set MLFLOW_TRACKING_URI to where it was registered"
        )
    found: set[str] = set()
    for run in runs:
        with archive.saved(known[run]) as saved:
            found |= _hashes(saved.stages)
    return found


def _present(workspace: Workspace) -> set[str]:
    """What the workspace holds now, a round that is not finished included."""
    return _hashes(stages(workspace.recorded))


def _hashes(recorded: Stages) -> set[str]:
    entries = [entry for stage in recorded.values() for part in ("deps", "outs") for entry in stage.get(part, [])]
    return {entry["md5"] for entry in entries}
