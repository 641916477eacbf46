"""One new thing = one new file: `use: x` names the file `x.py` in the plug-in's folder.

A plug-in is a frozen class whose fields are its knobs and whose one method does the work.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BeforeValidator, SerializerFunctionWrapHandler, model_serializer

from core.errors import BadParams
from core.knobs import BaseSettings
from core.settings import parse


class Plugin(BaseSettings):
    """Base of all plug-ins. The name of its file is the name it is used by."""

    @classmethod
    def name(cls) -> str:
        """The registered name: the file's stem."""
        return cls.__module__.rpartition(".")[2]

    @model_serializer(mode="wrap")
    def _with_name(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"use": self.name(), **dump(self)}


def names(package: str) -> list[str]:
    """The plug-ins that a package offers, in alphabetical order."""
    home = importlib.import_module(package)
    return sorted(module.name for module in pkgutil.iter_modules(home.__path__))


def find(package: str, name: str) -> type[Plugin]:
    """The class in `<package>/<name>.py`.

    Raises:
        BadParams: no file of that name; says which there are.
    """
    if name not in names(package):
        home = package.replace(".", "/")
        raise BadParams(f"use: {name!r} names no file in {home}/; there are: {', '.join(names(package))}")
    module = importlib.import_module(f"{package}.{name}")
    [found] = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Plugin) and thing.__module__ == module.__name__
    ]
    return found


def used(package: str) -> BeforeValidator:
    """Validator for a field that holds a plug-in of `package`: reads `{use: name, knob: value, …}`."""

    def build(value: object) -> object:
        knobs = {"use": value} if isinstance(value, str) else value
        if not isinstance(knobs, Mapping):
            return value
        if "use" not in knobs:
            raise BadParams(f"{_home(package)} needs `use: NAME`; there are: {', '.join(names(package))}")
        return make(package, str(knobs["use"]), knobs)

    return BeforeValidator(build)


def used_by_name(package: str, *wanted: str) -> BeforeValidator:
    """Validator for a mapping of plug-ins of `package`, each used once: `{name: {knob: value, …}, other: null}`.

    Knobs that are not named have their defaults, and so has each plug-in of `wanted` that is not named. `null` leaves
    one out; nothing else does: a gate must not be gone because a file forgot it.
    """

    def build(value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        asked = {name: {} for name in wanted} | dict(value)
        return {name: None if knobs is None else make(package, name, knobs) for name, knobs in asked.items()}

    return BeforeValidator(build)


Kind = TypeVar("Kind", bound=Plugin)


def chosen(plugins: Mapping[str, Kind | None]) -> list[Kind]:
    """Those of a mapping by name that are not left out."""
    return [plugin for plugin in plugins.values() if plugin is not None]


def make(package: str, name: str, knobs: object) -> Any:
    """The plug-in of that name with these knobs; what is no mapping of knobs (an instance) stays what it is.

    Raises:
        BadParams: no such plug-in, or it does not take these knobs.
    """
    if not isinstance(knobs, Mapping):
        return knobs
    return parse(find(package, name), {key: value for key, value in knobs.items() if key != "use"}, f"use: {name}")


def _home(package: str) -> str:
    return f"a plug-in of {package.replace('.', '/')}/"
