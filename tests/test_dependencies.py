"""Packages of others: what the product imports is declared, and a tool is behind a contract."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.pages import ROOT
from tests.test_mirror import PACKAGES

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OWN = {*PACKAGES, "tests", "benchmarks"}

NAMES = {
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "prometheus-client": "prometheus_client",
    "markdown-it-py": "markdown_it",
}
"""Distribution → the package that it is imported as, where that is another name."""

BROUGHT = {
    "httpx": "prefect",
    "huggingface_hub": "transformers",
    "dvc_data": "dvc",
    "dvc_objects": "dvc",
    "pydantic_core": "pydantic",
    "ruamel": "dvc",
    "starlette": "fastapi",
    "anyio": "fastapi",
    "markupsafe": "jinja2",
}
"""Package → the dependency whose interface it is part of."""

LIBRARIES = {
    *("fsspec", "httpx", "jinja2", "matplotlib", "numpy", "psutil", "pyarrow", "pydantic", "rich", "ruamel"),
    *("scipy", "yaml"),
}
"""Imported in `tasks/tools/` without being a tool: no service and no store of its own."""


def imported(file: Path) -> set[str]:
    """The packages of others that a file imports, also inside functions."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - OWN


def declared() -> Iterator[str]:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    for line in (*project["dependencies"], *extras["postgres"], *extras["reports"], *extras["s3"]):
        name = re.split(r"[\[<>=!~;]", line)[0].strip()
        yield NAMES.get(name, name)


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_every_package_that_is_imported_is_a_declared_dependency() -> None:
    known = {*declared()}
    used = {name: file for package in PACKAGES for file in files(package) for name in imported(file)}
    undeclared = {name: file for name, file in used.items() if BROUGHT.get(name, name) not in known}
    assert undeclared == {}, "add them to `dependencies` in pyproject.toml, then run `make lock`"


def test_every_tool_is_behind_a_contract() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    forbidden = {name for contract in contracts for name in contract.get("forbidden_modules", [])}
    tools = {name for file in files("tasks/tools") for name in imported(file)} - LIBRARIES
    assert tools
    assert tools - forbidden == set(), "add a contract to pyproject.toml that names the doors"
