"""Files that other programs read: CI, hooks, editor, citation, coverage, site."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pages import PAGES, ROOT, title

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = {init.parent.name for init in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}

UNSAFE = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torch.load", "yaml.load"}
"""What runs code that it finds in data; SECURITY.md promises that none of it is used."""


def loaded(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return content


def test_ci_runs_what_has_to_hold_and_nothing_else() -> None:
    [job] = loaded(".github/workflows/ci.yml")["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert job["timeout-minutes"] == 90
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


WORKFLOWS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / ".github/workflows").iterdir())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_only_reads_and_ends(name: str) -> None:
    workflow = loaded(name)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 120
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])
        assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)


def test_the_night_runs_what_is_too_heavy_for_ci() -> None:
    workflow: dict[Any, Any] = dict(loaded(".github/workflows/nightly.yml"))
    [timer] = workflow[True]["schedule"]  # YAML 1.1 reads the key `on` as true
    assert re.fullmatch(r"[0-5]?\d ([01]?\d|2[0-3]) \* \* \*", timer["cron"])
    [job] = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make test-engines"]
    assert "test-engines" not in (ROOT / ".ci/run").read_text(encoding="utf-8")


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


def test_the_citation_has_the_version_and_the_licence_of_the_project() -> None:
    citation = loaded("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]


def test_coverage_counts_every_package_that_ships() -> None:
    assert set(PROJECT["tool"]["slipcover"]["source"]) == PACKAGES


def reached(nav: Any) -> Iterator[str]:
    """The pages that a navigation names."""
    match nav:
        case str():
            yield nav
        case dict():
            for below in nav.values():
                yield from reached(below)
        case _:
            for entry in nav:
                yield from reached(entry)


def test_every_page_is_in_the_navigation_of_the_site_once() -> None:
    pages = [*PAGES, *(ROOT / "benchmarks/results").glob("*.md")]
    assert sorted(reached(loaded("mkdocs.yml")["nav"])) == sorted(map(title, pages))


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_code_runs_what_it_finds_in_data(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        tree = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        imported = {alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in tree if isinstance(node, ast.ImportFrom)}
        called = {ast.unparse(node.func) for node in tree if isinstance(node, ast.Call)}
        assert not (imported | called | {name.split(".")[0] for name in imported}) & {*UNSAFE, "eval", "exec"}, file
