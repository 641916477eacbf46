"""Files that other programs read: CI, hooks, editor, citation, coverage, site."""

import tomllib
from pathlib import Path
from typing import Any

import yaml

from tests.pages import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


def test_ci_runs_what_has_to_hold_and_nothing_else() -> None:
    [job] = loaded(".github/workflows/ci.yml")["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert job["timeout-minutes"] == 90
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_a_hook_is_a_program_of_the_lock() -> None:
    [local] = loaded(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    owners = {"trailing-whitespace-fixer": "pre_commit_hooks", "end-of-file-fixer": "pre_commit_hooks"}
    owners |= {"check-added-large-files": "pre_commit_hooks", "ruff": "ruff", "mypy": "mypy"}
    pinned = {line.split("==")[0] for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()}
    programs = [Path(hook["entry"].split()[0]) for hook in local["hooks"]]
    assert {program.parent.as_posix() for program in programs} == {".venv/bin"}
    assert {owners[program.name] for program in programs} <= pinned
