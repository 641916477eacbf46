"""One vocabulary: a name means one thing, and things of one kind are named alike."""

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from types import ModuleType

import pytest

from core.plugins import Plugin
from core.settings import BaseSettings

PACKAGES = ("core", "feedback", "models", "evaluation", "tasks", "flows", "cli")


def modules() -> Iterator[ModuleType]:
    """Every module of the project that can be imported without being run."""
    for package in PACKAGES:
        home = importlib.import_module(package)
        yield home
        for found in pkgutil.walk_packages(home.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


@pytest.fixture(scope="module")
def classes() -> dict[str, list[type]]:
    """Name → the public classes that the project defines under it."""
    found: dict[str, list[type]] = defaultdict(list)
    for module in modules():
        for name, thing in vars(module).items():
            if isinstance(thing, type) and thing.__module__ == module.__name__ and not name.startswith("_"):
                found[name].append(thing)
    return found


def test_no_name_serves_two_classes(classes: dict[str, list[type]]) -> None:
    assert {name: [one.__module__ for one in named] for name, named in classes.items() if len(named) > 1} == {}


def test_settings_are_called_settings(classes: dict[str, list[type]]) -> None:
    settings = [one for [one] in classes.values() if issubclass(one, BaseSettings) and not issubclass(one, Plugin)]
    assert {one.__name__ for one in settings if not one.__name__.endswith("Settings")} == set()
