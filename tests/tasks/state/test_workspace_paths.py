"""Every path of a workspace is defined in tasks/state/workspace.py, and nowhere else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.state.workspace import PROJECT, Workspace, table

HOME = "tasks/state/workspace.py"

PATH = re.compile(r"data/[\w./-]+")
"""A path and nothing else: sentences of docstrings and messages may name files."""

OTHERS = {
    "cli/presets/__init__.py": "files beside the code",
    "cli/reference.py": "pages of the project",
    "flows/orchestration/deploying.py": "files of the project",
    "flows/orchestration/server.py": "the home of Prefect",
    "tasks/analysis/blame/retraining.py": "one file a training, named by what it learned from",
    "tasks/analysis/drift/__init__.py": "one page a section, in the folder of a round",
    "tasks/doctor/checks/environment.py": "the home of Prefect",
    "tasks/doctor/checks/locks.py": "files of DVC at the root",
    "tasks/doctor/checks/packages.py": "the lock of the project",
    "tasks/doctor/checks/remotes.py": "files of DVC at the root",
    "tasks/doctor/checks/servers.py": "the home of Prefect",
    "tasks/history/backup/making.py": "files of DVC at the root",
    "tasks/tools/remotes.py": "files of DVC at the root",
    "tasks/history/evidence/index.py": "a template beside the code",
    "tasks/pages/cards/content.py": "templates beside the code",
    "tasks/services/chosen.py": "programs of the environment",
    "tasks/services/orphans.py": "files of the kernel",
    "tasks/state/reports.py": "reports in a folder of any kind",
    "tasks/state/sampler.py": "the environment of vLLM, which `make vllm` installs beside the code",
    "tasks/state/sampling.py": "the adapters in the folder of a sampler",
    "tasks/state/choosing.py": "the files that a folder of any kind may have",
    "tasks/registry/archive.py": "files of a run in MLflow",
    "tasks/rounds/imported_model.py": "files of a temporary folder",
    "tasks/rounds/importing.py": "files of a draft, which is removed",
    "tasks/rounds/rebasing.py": "files of a draft, which is removed",
    "tasks/rounds/version_files.py": "files of a temporary folder",
    "tasks/rounds/worker_step.py": "files of a temporary folder",
    "tasks/rounds/fetching.py": "files of a draft, which is removed",
    "tasks/tools/git.py": "the git repository at the root",
    "tasks/tools/versioning.py": "files of DVC at the root, named by what DVC is asked to keep",
}
"""Modules that may join names to paths, with the reason: files outside a workspace, or one of many in a folder."""


def joined(module: Path) -> Iterator[str]:
    """The names that a module joins to paths."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            right = node.right
            if isinstance(right, ast.JoinedStr) or (isinstance(right, ast.Constant) and isinstance(right.value, str)):
                yield ast.unparse(right)


def modules() -> dict[str, list[str]]:
    files = [file for package in ("cli", "flows", "tasks") for file in sorted((PROJECT / package).rglob("*.py"))]
    names = {file.relative_to(PROJECT).as_posix(): list(joined(file)) for file in files}
    return {module: joins for module, joins in names.items() if joins and module != HOME}


def test_no_other_module_joins_names_to_paths() -> None:
    assert modules().keys() == OTHERS.keys()


@pytest.mark.parametrize("module", OTHERS)
def test_no_other_module_names_paths_in_data(module: str) -> None:
    names = [name.strip("f'\"") for name in modules()[module]]
    assert not [name for name in names if name.split("/")[0] == "data" or name.endswith(".arrow")]


def test_no_other_module_writes_a_path_in_data_as_a_string() -> None:
    files = [file for package in ("cli", "flows", "tasks") for file in sorted((PROJECT / package).rglob("*.py"))]
    constants = {
        (file.relative_to(PROJECT).as_posix(), node.value)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and PATH.fullmatch(node.value)
    }
    assert {module for module, _ in constants} <= {HOME}, constants


def test_the_paths_are_those_of_version_0_1_0(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    expected = {
        workspace.recorded: "dvc.lock",
        workspace.database: "mlflow.db",
        workspace.registry_lock: "data/.registry.lock",
        workspace.mlflow_lock: "data/.mlflow.lock",
        workspace.times: "data/metrics/times.json",
        workspace.usage: "data/metrics/usage.json",
        workspace.reported("policy"): "data/metrics/policy.jsonl",
        workspace.record(2): "data/rounds/00002.json",
        workspace.sampled: "data/samples/samples.arrow",
        workspace.previous_samples: "data/previous/samples/samples.arrow",
        workspace.previous_reward: "data/previous/reward",
        workspace.state("policy"): "data/training/policy",
        workspace.taken: "data/inbox/taken",
        workspace.report("drift"): "data/reports/drift.json",
        workspace.watched("told"): "data/watch/told.json",
        workspace.watch_lock(): "data/watch/.lock",
        workspace.watch_lock("guards"): "data/watch/.guards.lock",
        workspace.ballot("ab", 1): "data/ballots/ab/00001.jsonl",
        workspace.wait("votes"): "data/waiting/votes.json",
        table(workspace.preferences, "holdout"): "data/preferences/holdout.arrow",
    }
    assert {path.relative_to(tmp_path).as_posix(): name for path, name in expected.items()} == {
        name: name for name in expected.values()
    }
