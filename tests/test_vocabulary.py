"""One vocabulary: a name means one thing, and things of one kind are named alike."""

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, get_args

import pytest
import typer

from cli.__main__ import app
from core.plugins import Plugin
from core.settings import BaseSettings
from tasks.rounds.params import RoundSettings

PACKAGES = ("core", "feedback", "models", "evaluation", "tasks", "flows", "serving", "cli")

VERBS = {
    "adopt": "adoption",
    "approve": "approval",
    "down": "services",
    "export": "exporting",
    "import": "importing",
    "label": "labelling",
    "promote": "promotion",
    "rebase": "rebasing",
    "restore": "restoring",
    "up": "services",
}
"""Command → the noun of its verb."""

WITHOUT_A_MODULE = {
    "cooldown": "a state of the champion alias: `Cooldown` in tasks/registry/alias",
    "feedback": "its noun is that of the package feedback; tasks/state/handing_in hands it in",
    "init": "makes a workspace: `new` in tasks/state/choosing",
    "show": "prints one record (tasks/state/records)",
    "status": "prints parts of several records",
}
"""Command → why no module of tasks/ or flows/ has its noun."""

SETTINGS_ELSEWHERE = {
    "ingest": "tasks.state.intake: what waits is read by packages that may not import tasks.steps",
    "policy": "models.algorithms: the settings are those of the algorithm that is used",
    "steps": "tasks.rounds.placement: it says where steps run; `tasks.steps` are the steps themselves",
    "verdict": "tasks.state.gates: what the gate `licence` allows is read by curate, and where feedback is counted",
}
"""Section of the parameters → why its settings class is not in a module with its noun."""


def modules() -> Iterator[ModuleType]:
    """Every module of the project that can be imported without being run."""
    for package in PACKAGES:
        home = importlib.import_module(package)
        yield home
        for module in pkgutil.walk_packages(home.__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                yield importlib.import_module(module.name)


def commands() -> dict[str, set[str]]:
    """Command or family of commands → the modules of its functions."""
    group: Any = typer.main.get_command(app)
    return {name: {leaf.callback.__module__ for leaf in _leaves(command)} for name, command in group.commands.items()}


def _leaves(command: Any) -> Iterator[Any]:
    if not hasattr(command, "commands"):
        yield command
    for inner in getattr(command, "commands", {}).values():
        yield from _leaves(inner)


def shares(noun: str, module: str) -> bool:
    """Whether a dotted module name has the noun, as singular or plural."""
    return noun.rstrip("s") in {part.rstrip("s") for part in module.split(".")}


def without_a_module(nouns: Iterable[str], names: Iterable[str]) -> set[str]:
    """The commands that no module is named after."""
    below = [name for name in names if name.startswith(("tasks.", "flows."))]
    return {noun for noun in nouns if not any(shares(VERBS.get(noun, noun), name) for name in below)}


def sections() -> dict[str, type[BaseSettings]]:
    """Section of the parameters → its settings class; a single value such as `seed` has none."""
    types = {
        name: [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        for name, field in RoundSettings.model_fields.items()
    }
    return {name: kinds[0] for name, kinds in types.items() if issubclass(kinds[0], BaseSettings)}


@pytest.fixture(scope="module")
def classes() -> dict[str, list[type]]:
    """Name → the public classes that the project defines under it."""
    by_name: dict[str, list[type]] = defaultdict(list)
    for module in modules():
        for name, member in vars(module).items():
            if isinstance(member, type) and member.__module__ == module.__name__ and not name.startswith("_"):
                by_name[name].append(member)
    return by_name


def test_no_name_serves_two_classes(classes: dict[str, list[type]]) -> None:
    assert {name: [own.__module__ for own in same] for name, same in classes.items() if len(same) > 1} == {}


def test_settings_are_called_settings(classes: dict[str, list[type]]) -> None:
    settings = [own for [own] in classes.values() if issubclass(own, BaseSettings) and not issubclass(own, Plugin)]
    assert {own.__name__ for own in settings if not own.__name__.endswith("Settings")} == set()


def test_a_command_is_in_the_module_of_its_name() -> None:
    assert {name: own for name, own in commands().items() if own != {f"cli.{name}"}} == {}


def test_a_module_below_has_the_noun_of_each_command() -> None:
    assert without_a_module(commands(), [module.__name__ for module in modules()]) == set(WITHOUT_A_MODULE)


def test_a_command_without_a_module_is_noticed() -> None:
    names = ["tasks.history.gc", "tasks.registry.promotion", "tasks.people.polls", "cli.prune", "flows.round"]
    assert without_a_module(["gc", "promote", "round", "rounds", "prune", "poll", "pol"], names) == {"prune", "pol"}


def test_the_settings_of_a_section_have_its_name_and_are_in_a_module_with_its_noun() -> None:
    own = {section: kind for section, kind in sections().items() if section != "policy"}
    assert {section for section, kind in own.items() if kind.__name__.casefold() != f"{section}settings"} == set()
    elsewhere = {section for section, kind in sections().items() if not shares(section, kind.__module__)}
    assert elsewhere == set(SETTINGS_ELSEWHERE)


def test_settings_in_a_module_of_another_noun_are_noticed() -> None:
    assert not shares("approval", "tasks.registry.promotion")
    assert shares("approval", "tasks.people.approval")
    assert shares("model", "models.policy")
