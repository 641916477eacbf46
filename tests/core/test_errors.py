"""The tree of errors drawn in core/errors.py matches the definitions."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from core import errors
from tasks.state.workspace import PROJECT

PACKAGES = ("core", "feedback", "models", "evaluation", "tasks", "flows", "cli")
TOP = "RoundsError"

CURE = re.compile(r"[;`]|expected|there are|need|give exactly one|\bset\b|\bname\b|\bsay what\b|It takes")
"""Signs of a cure in a message: a second clause, a command, or the values that would be valid."""


class Error(NamedTuple):
    """The definition of an error class."""

    name: str
    base: str
    documented: bool


def modules() -> Iterator[ast.Module]:
    for package in PACKAGES:
        for file in sorted((PROJECT / package).rglob("*.py")):
            yield ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def classes() -> list[Error]:
    """Every class of the project that derives from `RoundsError`."""
    defined = [
        Error(node.name, ast.unparse(base).rpartition(".")[2], ast.get_docstring(node) is not None)
        for module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    ]
    family = {TOP}
    while more := {error.name for error in defined if error.base in family} - family:
        family |= more
    return [error for error in defined if error.base in family]


def drawn() -> dict[str, str]:
    """Class → its parent in the tree of the docstring."""
    assert errors.__doc__ is not None
    above, parents = [TOP], {}
    for line in errors.__doc__.splitlines():
        if branch := re.match(r"((?:[│ ]   )*)[├└]── (\w+) ", line):
            depth = len(branch[1]) // 4 + 1
            parents[branch[2]] = above[depth - 1]
            above[depth:] = [branch[2]]
    return parents


def passes_on(message: ast.expr) -> bool:
    """True if a message contains another message, whose text is not known statically."""
    names = [part.id for part in ast.walk(message) if isinstance(part, ast.Name)]
    return bool({"cure", "error", "problem", "problems"} & {*names})


def raised() -> Iterator[tuple[str, str]]:
    """Class and literal text of each message that is written at its `raise`."""
    names = {error.name for error in classes()} | {TOP}
    for module in modules():
        for node in ast.walk(module):
            call = node.exc if isinstance(node, ast.Raise) else None
            if isinstance(call, ast.Call) and ast.unparse(call.func) in names and call.args:
                parts = [part.value for part in ast.walk(call.args[0]) if isinstance(part, ast.Constant)]
                if not passes_on(call.args[0]):
                    yield ast.unparse(call.func), " ".join(part for part in parts if isinstance(part, str))


def test_the_tree_is_the_one_that_is_drawn() -> None:
    assert drawn() == {error.name: error.base for error in classes()}


def test_no_two_errors_share_a_name_and_each_says_what_it_is() -> None:
    assert [name for name, count in Counter(error.name for error in classes()).items() if count > 1] == []
    assert [error.name for error in classes() if not error.documented] == []


def test_a_message_has_a_cure() -> None:
    """The reason why a record is invalid becomes part of a longer message, which has the cure."""
    without = [(name, text) for name, text in raised() if text and not CURE.search(text)]
    assert [text for name, text in without if name != "BadFeedback"] == []
