"""Workspaces that share an MLflow server, with rounds that were written by hand instead of being run."""

from collections.abc import Callable
from pathlib import Path

from evaluation.verdict import Verdict
from tasks.registry.alias import ModelVersion, Registry
from tasks.state import identity, records
from tasks.state.line import ModelLine
from tasks.state.workspace import Workspace
from tasks.tools import lines, tracking
from tasks.tools.tracking import RoundRun
from tests.tasks.state.recorded import record

Team = Callable[[str], Workspace]
"""Makes a workspace of this name, whose runs are on a shared server."""


def settled(workspace: Workspace) -> ModelLine:
    """The line of a workspace whose round is opened now."""
    return lines.settle(tracking.client(workspace.root), workspace.root)


def finished_round(workspace: Workspace, number: int, expect: str | None = None) -> ModelVersion:
    """Open, register, promote over `expect` and record a round, as a real one does."""
    registry = Registry(workspace.root, settled(workspace))
    key = f"{registry.line.name}-{number}"
    tags = {"round": str(number), "round_key": key, "verdict": "promote"}
    run = RoundRun.open(workspace.root, registry.line, f"round {number}", tags)
    weights = workspace.root / "weights"
    weights.mkdir(exist_ok=True)
    (weights / "model.safetensors").write_text(f"{workspace.root} {number}")
    version = registry.register("policy", weights, run.run_id, tags, {})
    registry.promote(version.version, expect, "better", "rounds", kind="promote" if expect else "bootstrap")
    past = record(number, version.version, Verdict(bootstrap=True)).model_copy(
        update={"run_id": run.run_id, "key": key}
    )
    inputs = past.inputs.model_copy(update={"salt": identity.known_salt(workspace)})
    run.text(inputs.to_yaml(), "round/round.yaml")
    run.text("stages: {}\n", "round/dvc.lock")
    records.write(workspace, past.model_copy(update={"inputs": inputs}))
    return version


def champion(root: Path) -> str | None:
    """The version of the champion that a workspace sees."""
    return Registry(root).alias()
