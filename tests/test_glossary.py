"""docs/glossary.md has every plug-in kind, step, command and section, and what it names is there."""

import ast
import importlib
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import typer

from cli.__main__ import app
from core.plugins import Plugin, names
from tasks.rounds.params import RoundSettings
from tasks.state.steps import STEPS
from tests.pages import ROOT, spans

PAGE = ROOT / "docs/glossary.md"
SPANS = spans(PAGE)
TERMS = re.compile(r"^- \*\*([^*]+)\*\*: ", re.MULTILINE)
PACKAGES = [init.parent for init in ROOT.glob("*/__init__.py") if init.parent.name not in ("tests", "benchmarks")]
KINDS = {
    "source": "feedback.sources",
    "layout": "feedback.layouts",
    "algorithm": "models.algorithms",
    "reward function": "models.rewards",
    "evaluation": "evaluation.evals",
    "gate": "evaluation.gates",
    "guard": "evaluation.guards",
    "harm criterion": "evaluation.harms",
    "rule": "feedback.rules",
}
"""Term → the package with one file for each plug-in of that kind."""


def sections() -> list[str]:
    return PAGE.read_text(encoding="utf-8").split("\n## ")[1:]


def entry(term: str) -> str:
    """The lines of one term."""
    [text] = [part for section in sections() for part in section.split("\n- ") if part.startswith(f"**{term}**")]
    return text


def commands(group: Any, *above: str) -> Iterator[str]:
    """Every command below `group`, in full."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *above, name)
        else:
            yield " ".join((*above, name))


def classes() -> set[str]:
    files = [file for package in PACKAGES for file in package.rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    return {node.name for node in nodes if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize(("term", "package"), KINDS.items())
def test_a_kind_of_plug_in_names_its_class_and_its_folder(term: str, package: str) -> None:
    module = importlib.import_module(package)
    own = {member for member in vars(module).values() if isinstance(member, type) and issubclass(member, Plugin)}
    [kind] = [member for member in own if member.__module__ == package and Plugin in member.__bases__]
    assert f"`{kind.__name__}`" in entry(term)
    assert f"`{package.replace('.', '/')}/`" in entry(term)


def test_every_kind_of_plug_in_has_a_term() -> None:
    inits = {init for package in PACKAGES for init in package.rglob("__init__.py")}
    homes = {init for init in inits if re.search(r"^class \w+\(Plugin\)", init.read_text("utf-8"), re.MULTILINE)}
    assert {".".join(init.parent.relative_to(ROOT).parts) for init in homes} == set(KINDS.values())
    assert all(names(package) for package in KINDS.values())


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_its_module_and_its_section(step: str) -> None:
    assert {f"tasks/steps/{step}.py", f"tasks/steps/{step}/__init__.py"} & set(SPANS)
    assert f"section `{step}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [*commands(typer.main.get_command(app))])
def test_every_command_is_named(command: str) -> None:
    assert f"rounds {command}" in SPANS


@pytest.mark.parametrize("section", RoundSettings.model_fields)
def test_every_section_of_the_parameters_is_named(section: str) -> None:
    assert re.search(rf"(section|parameter) `{section}`", PAGE.read_text(encoding="utf-8"))


def test_every_settings_class_of_a_section_has_its_section_in_the_same_entry() -> None:
    for section, field in RoundSettings.model_fields.items():
        types = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        for name in {kind.__name__ for kind in types if kind.__name__.endswith("Settings")}:
            assert re.search(rf"`{name}`[^*]*section `{section}`", PAGE.read_text(encoding="utf-8")), name


def test_terms_are_in_alphabetical_order_and_once() -> None:
    terms = [TERMS.findall(section) for section in sections()]
    assert [sorted(own, key=str.casefold) for own in terms] == terms
    flat = [term for own in terms for term in own]
    assert len({term.casefold() for term in flat}) == len(flat)


def test_every_term_says_where_it_is() -> None:
    bare = [
        term for section in sections() for term in TERMS.findall(section) if not re.search(r"\*In\* .*`", entry(term))
    ]
    assert bare == []


def test_files_and_classes_that_are_named_exist() -> None:
    paths = {span for span in SPANS if re.fullmatch(r"(?:[\w.]+/)+(?:\w+\.py)?", span) and not span.startswith("data/")}
    paths -= {span for span in paths if span.rstrip("/") in (*STEPS, "blame")}  # prefixes of metrics
    assert {path for path in paths if not (ROOT / path).exists()} == set()
    named = {span for span in SPANS if re.fullmatch(r"[A-Z]+[a-z]\w*", span)}
    assert named - classes() == set()


def test_a_word_of_one_term_is_not_another_terms_synonym() -> None:
    """`batch` alone is what a model computes together; feedback comes in feedback batches, stored as parts."""
    assert "`Batch`" in entry("batch")
    assert "`FeedbackSubset`" in entry("feedback batch")
    assert "Parquet" in entry("part")
    assert not re.search(r"also called an? attack", PAGE.read_text(encoding="utf-8"))
