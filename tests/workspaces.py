"""What tests do with workspaces: copy one, and read off it how a round ended."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.files import digest
from tasks import audit, records
from tasks.registry import Registry
from tasks.tracking import EXPERIMENT
from tasks.workspace import Workspace

Furnish = Callable[[Path], Workspace]
"""Makes a folder a workspace in which no round has run."""

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)
"""Where MLflow's database keeps whole paths."""


def moved(place: Workspace, root: Path) -> Workspace:
    """A copy of a workspace in another folder, where MLflow finds its own files."""
    shutil.copytree(place.root, root)
    with sqlite3.connect(root / "mlflow.db") as database:
        for table, column in ADDRESSES:
            database.execute(f"update {table} set {column} = replace({column}, ?, ?)", (str(place.root), str(root)))
    database.close()
    return Workspace(root)


def outcome(place: Workspace) -> dict[str, Any]:
    """All that a round leaves, except for times and the random names of runs."""
    registry = Registry(place.root)
    champion = registry.champion()
    assert audit.verify(place.audit) == []
    experiment = registry.store.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = registry.store.search_runs([experiment.experiment_id])
    return {
        "runs": sorted((run.data.tags["round"], run.info.run_name, run.info.status) for run in runs),
        "records": [_lasting(records.read(place, number)) for number in records.numbers(place)],
        "data": (place.root / "dvc.lock").read_text(encoding="utf-8"),
        "weights": {folder.name: digest(folder) for folder in sorted((place.data / "checkpoints").iterdir())},
        "policies": [(found.version, found.round, found.digest) for found in registry.versions("policy")],
        "rewards": [(found.version, found.round, found.digest) for found in registry.versions("reward")],
        "champion": champion and champion.version,
        "moves": [(entry.event, entry.facts["left"], entry.facts["now"]) for entry in audit.read(place.audit)],
    }


def _lasting(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("number", "key", "parent", "version", "verdict", "metrics", "inputs")}
