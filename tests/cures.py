"""The commands that messages print as cures, where they are printed, and which test types each of them."""

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tasks.state.workspace import PROJECT

PACKAGES = ("core", "feedback", "models", "evaluation", "tasks", "flows", "serving", "cli")

QUOTED = re.compile(r"`((?:rounds|git|make|dvc|mlflow|prefect|pip|ln|createdb|iconv|jq) [^`]*|--[a-z][^`]*)`")
"""A command, or an option of the command that failed, in backticks."""

OVERRIDE = re.compile(r"-S '?[a-z_.]+=(?:\[…\]|'?\"\"'?|\{(?:[^{}]|\{[^}]*\})*\}'?|[^\s,;)]+)|(?<=\bset )-S …")
"""A knob to set for one round, or knobs that are computed."""

VARIABLE = re.compile(r"\b(?:un)?set ((?:[A-Z0-9]+_)+[A-Z0-9]+|…(?= to))")
"""An environment variable to set or unset."""

NOT_MESSAGES = {
    "cli.reference": "the head of docs/cli.md",
    "cli.display.knobs": "the head of docs/params.md",
    "tasks.rounds.tidy.HEAD": "the head of a params.yaml",
    "feedback.trust.table": "the table in docs/feedback.md, which names the option as a level of trust",
    "feedback.measured.CURATE_NEAR_COPIES": "the description of a metric in docs/metrics.md",
    "tasks.history.backup.making.SERVER": "an option of a running MLflow server, which names the folder to copy",
    "core.settings.override": "an example of the form, for an override of another form",
    "tasks.tools.git._git": "the command that failed, followed by the reason that git gives",
}
"""Modules and constants whose texts are pages."""


Test = TypeVar("Test", bound=Callable[..., Any])


UNTYPED = {
    "feedback.packaging.kinds._FOREIGN: git lfs pull": "needs a server of Git LFS",
    "feedback.store.cures._POSTGRESQL: createdb NAME": "with a server: tests/feedback/store/test_cures.py",
    "core.drivers.missing_postgresql: make postgres": "installs packages; tests/test_dependencies.py reads the lock",
    "flows.orchestration.server._serving: rounds up --only prefect": "runs on; its like: tests/services/test_up.py",
    "models.vllm_server.check_installed: make vllm": "installs packages: tests/engines/ starts what it has installed",
    "models.launcher.not_met: rounds node": "on another machine: tests/services/test_two_machines.py",
    "models.launcher.not_met: rounds round": "with another machine: tests/services/test_two_machines.py",
    "models.launcher.not_met: set …": "for another machine to reach: tests/models/test_rendezvous.py sets addresses",
    "models.mismatch: set NVIDIA_TF32_OVERRIDE": "needs a GPU",
    "tasks.tools.prefect_api.asking: rounds up": "starts every service: typed by tests/services/test_up.py",
    "tasks.tools.prefect_api._CURE: rounds up": "starts every service: typed by tests/services/test_up.py",
    "tasks.tools.deployments.PrefectRuns.start: rounds up": "starts every service: typed by tests/services/test_up.py",
    "tasks.services.record._request: rounds down": "typed on another machine; here: tests/services/test_up.py",
    "core.filesystems.opened: pip install -r …": "installs packages; tests/test_dependencies.py reads the lock",
    "tasks.analysis.drift.page.available: make reports": "installs packages; tests/test_dependencies.py reads the lock",
}
"""Place → why no test here types its command, and where it is tried."""


class Place(NamedTuple):
    """A command in a message."""

    where: str
    """Module and function, dotted."""
    command: str
    """The command, with an ellipsis for each part that is computed."""

    def __str__(self) -> str:
        return f"{self.where}: {self.command}"


def cures(*places: str) -> Callable[[Test], Test]:
    """Marks a test that brings an error about, types its cure and goes on. Read by `tried`, not at run time."""

    def unchanged(test: Test) -> Test:
        return test

    return unchanged


@cache
def printed() -> frozenset[Place]:
    """Every command in a message of the code."""
    files = [file for package in PACKAGES for file in sorted((PROJECT / package).rglob("*.py"))]
    return frozenset(place for file in files for place in _in(file))


@cache
def tried() -> dict[str, str]:
    """Place → a test that names it."""
    named: dict[str, str] = {}
    texts = {file: file.read_text(encoding="utf-8") for file in sorted((PROJECT / "tests").rglob("test_*.py"))}
    for file, text in texts.items():
        tests = (
            [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)] if "@cures(" in text else []
        )
        for node in tests:
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "cures":
                    named |= {ast.literal_eval(argument): f"{file.name}::{node.name}" for argument in call.args}
    return named


def words(printed: str, begins: str, **placeholders: str) -> list[str]:
    """The words of the first command in a printed message that begins so, as a shell reads them.

    Args:
        printed: the output of a command.
        begins: the first words of the cure.
        placeholders: word in capitals, or `dots` for `…` → what a person types instead.
    """
    command = next(found for found in QUOTED.findall(printed) if found.startswith(begins))
    typed = {"…" if name == "dots" else name: value for name, value in placeholders.items()}
    return [typed.get(word, word) for word in shlex.split(command)]


def _in(file: Path) -> Iterator[Place]:
    module = ".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
    if module not in NOT_MESSAGES:
        yield from found(ast.parse(file.read_text(encoding="utf-8")), module)


def found(tree: ast.Module, module: str) -> Iterator[Place]:
    """The commands in the texts of a module; docstrings and help texts are no messages."""
    for where, text in _texts(tree, module):
        if where not in NOT_MESSAGES:
            rest = QUOTED.sub("", text)
            matches = [*QUOTED.findall(text), *OVERRIDE.findall(rest), *(match[0] for match in VARIABLE.finditer(rest))]
            yield from (Place(where, command) for command in matches)


def _texts(node: ast.AST, where: str) -> Iterator[tuple[str, str]]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            where = f"{where}.{name}"
        case ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():
            where = f"{where}.{name}"
        case ast.Expr(value=ast.Constant()):
            return
        case ast.keyword(arg="help" | "about") | ast.Call(func=ast.Attribute(attr="Option" | "Argument")):
            return
        case ast.JoinedStr() | ast.Constant(value=str()) | ast.BinOp(op=ast.Add()):
            if (text := _literal(node)) is not None:
                yield where, text
                return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child, where)


def _literal(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in values)
    return None
