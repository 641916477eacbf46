"""What tests do with workspaces: copy one, and read off it how a round ended."""

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.files import digest
from core.settings import override, read
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.rounds import opening
from tasks.state import records
from tasks.state.lock import holding
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace

Furnish = Callable[[Path], Workspace]
"""Makes a folder a workspace in which no round has run."""

LASTING_FACTS = ("model", "version", "left", "now", "reason", "round", "key", "digest", "verdict", "reward_version")
"""What the audit log says of a move or a registration, but for the random names of runs."""

OF_TESTS = ("diary.txt", "failure.txt", "phases.json", "mlflow.db")
"""Names of files that tests write into a workspace; MLflow's database is asked, not compared."""

QUESTIONS = {
    "points": """
        select tags.value, name, metrics.key, step, is_nan,
               case when metrics.key like '%/time/%' or metrics.key like 'cost/%' then 0 else metrics.value end
        from metrics join runs using (run_uuid) join tags using (run_uuid) where tags.key = 'round'""",
    "points of models": "select metric_name, metric_step, metric_value from logged_model_metrics",
    "params": "select name, params.key, params.value from params join runs using (run_uuid)",
    "data": """
        select runs.name, datasets.name, digest from inputs join datasets on source_id = dataset_uuid
        join runs on destination_id = run_uuid""",
    "models": "select name, model_type, status, lifecycle_stage from logged_models",
    # one that was intended and not made is on record as aborted, and says that somebody was killed there
    "moves": """
        select runs.name, runs.status, value from runs join tags using (run_uuid)
        where tags.key = 'state' and value != 'aborted'""",
}
"""What MLflow's database knows, but for times, costs and random names. A point that was sent twice is there twice."""


def made_once(name: str, make: Callable[[Path], None], folders: pytest.TempPathFactory) -> Workspace:
    """A workspace that one worker of a test session makes, and of which each worker gets a copy of its own."""
    own = folders.mktemp(name) / "workspace"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(own)
        return Workspace(own)
    shared = folders.getbasetemp().parent / "shared" / name
    with holding(shared.parent / f"{name}.lock", "a worker", wait=600):
        if not (shared / "whole").exists():
            shutil.rmtree(shared, ignore_errors=True)  # of a worker that failed half-way
            make(shared / "workspace")
            (shared / "whole").touch()
    return moved(Workspace(shared / "workspace"), own)


def moved(workspace: Workspace, root: Path) -> Workspace:
    """A copy of a workspace in another folder."""
    shutil.copytree(workspace.root, root)
    return Workspace(root)


def changed_at(workspace: Workspace) -> dict[str, tuple[int, int]]:
    """When each file of the data, DVC's cache included, and params.yaml was last written, and its size; no locks."""
    folders = (workspace.data, workspace.root / ".dvc" / "cache")
    files = [workspace.recorded, workspace.params, *(file for folder in folders for file in folder.rglob("*"))]
    return {
        workspace.name(file): (file.stat().st_mtime_ns, file.stat().st_size)
        for file in files
        if file.is_file() and not file.name.endswith(".lock")
    }


def unpacked(archive: Path, root: Path) -> Workspace:
    """The workspace in an archive."""
    shutil.unpack_archive(archive, root)
    return Workspace(root)


def settle(workspace: Workspace, *overrides: str) -> Workspace:
    """Write knobs into params.yaml, so that a command needs no `-S`."""
    workspace.params.write_text(yaml.safe_dump(override(read(workspace.params), overrides)))
    return workspace


def run_round(workspace: Workspace, overrides: Sequence[str]) -> RoundRecord:
    """Run the next round as the flow does, without Prefect: this saves a quarter of the time of a tiny round."""
    from flows.round import bootstrap, improve  # seconds, which most tests need not pay

    with holding(workspace.lock, "a round"):
        running = opening.start(workspace, overrides)
        if running.round.number == 0:
            bootstrap(running)
            running = opening.start(workspace, overrides)
        return improve(running)


def outcome(workspace: Workspace) -> dict[str, Any]:
    """All that a round leaves, except for times and the random names of runs."""
    registry = Registry(workspace.root)
    champion = registry.champion()
    assert audit.verify(workspace.audit) == []
    experiment = registry.store.get_experiment_by_name(registry.line.rounds)
    assert experiment is not None
    runs = registry.store.search_runs([experiment.experiment_id])
    return {
        "runs": sorted((run.data.tags["round"], run.info.run_name, run.info.status) for run in runs),
        "records": [_lasting(records.read(workspace, number)) for number in records.numbers(workspace)],
        "data": (workspace.root / "dvc.lock").read_text(encoding="utf-8"),
        "weights": {folder.name: digest(folder) for folder in sorted((workspace.data / "checkpoints").iterdir())},
        "versions": [
            (version.name, version.version, version.round, version.digest, _lasting_tags(version.tags))
            for version in [*registry.versions("policy"), *registry.versions("reward")]
        ],
        "champion": champion and champion.version,
        "moves": [
            (entry.event, entry.who, {name: entry.facts[name] for name in LASTING_FACTS if name in entry.facts})
            for entry in audit.read(workspace.audit)
        ],
        "mlflow": {name: _answers(workspace, question) for name, question in QUESTIONS.items()},
        "files": files(workspace),
    }


def files(workspace: Workspace) -> list[str]:
    """All files and folders of a workspace, with a star for the random names of runs and models in MLflow."""
    names = (path.relative_to(workspace.root).as_posix() for path in workspace.root.rglob("*"))
    return sorted(re.sub("[0-9a-f]{32}", "*", name) for name in names if not name.startswith(OF_TESTS))


def _lasting_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a version, but for its line: on a server that has the random id of the workspace."""
    return {name: value for name, value in sorted(tags.items()) if name != "line"}


def _lasting(record: RoundRecord) -> dict[str, Any]:
    names = (
        "number",
        "key",
        "parent",
        "version",
        "verdict",
        "metrics",
        "inputs",
        "examples",
        "new_feedback",
        "batch",
        "registered",
    )
    fields = record.to_json()
    return {name: fields[name] for name in names} | {"timed": sorted(record.times)}


def _answers(workspace: Workspace, question: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(workspace.root / "mlflow.db") as database:
        answer = database.execute(question).fetchall()
    database.close()
    return sorted(answer, key=repr)
