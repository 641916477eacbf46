"""One new thing = one new file: `use: x` names the file `x.py` in the plug-in's folder.

A plug-in is a frozen class whose fields are its knobs and whose one method does the work.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BeforeValidator, SerializerFunctionWrapHandler, ValidationError, model_serializer
from pydantic_core import PydanticCustomError

from core.errors import BadParams
from core.knobs import Problem, all_problems, taken_apart, together
from core.settings import BaseSettings, parse


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
        BadParams: no file has that name; the message lists those that exist.
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


def used(package: str, default: str | None = None) -> BeforeValidator:
    """Validator for a field that holds a plug-in of `package`: reads `{use: name, knob: value, …}`.

    Where `use` is missing, it is the plug-in `default`; without a default, that is an error.
    """

    def build(value: object) -> object:
        knobs = {"use": value} if isinstance(value, str) else value
        if not isinstance(knobs, Mapping):
            return value
        name = knobs.get("use", default)
        if name is None:
            needed = f"{_home(package)} needs `use: NAME`; there are: {', '.join(names(package))}"
            raise together([Problem((), needed)])
        return _made(package, str(name), knobs)

    return BeforeValidator(build)


def used_by_name(package: str, *wanted: str) -> BeforeValidator:
    """Validator for a mapping of plug-ins of `package`, each used once: `{name: {knob: value, …}, other: null}`.

    A knob that is not given has its default. A plug-in of `wanted` that is not listed is used with its defaults; only
    `null` leaves one out: a gate must not disappear because a file does not mention it.
    """

    def build(value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        built: dict[str, object] = {}
        problems: list[Problem] = []
        for name, knobs in ({name: {} for name in wanted} | dict(value)).items():
            try:
                built[name] = None if knobs is None else _made(package, str(name), knobs)
            except PydanticCustomError as error:
                problems += [problem.inside(name) for problem in taken_apart(error)]
        if problems:
            raise together(problems)
        return built

    return BeforeValidator(build)


def _made(package: str, name: str, knobs: object) -> object:
    """A plug-in inside other settings, whose error then has the full name of each knob."""
    if not isinstance(knobs, Mapping):
        return knobs
    try:
        plugin = find(package, name)
    except BadParams as error:
        raise together([Problem((), str(error))]) from error
    try:
        return plugin.model_validate(_without_use(knobs))
    except ValidationError as error:
        raise together(list(all_problems(error, plugin))) from error


Kind = TypeVar("Kind", bound=Plugin)


def chosen(plugins: Mapping[str, Kind | None]) -> list[Kind]:
    """The plug-ins of a mapping by name, without those that are `None`."""
    return [plugin for plugin in plugins.values() if plugin is not None]


def make(package: str, name: str, knobs: object, origin: str | None = None) -> Any:
    """The plug-in of that name with these knobs. `knobs` that is not a mapping (an instance) is returned unchanged.

    `origin` is where they are set, for the message of an error.

    Raises:
        BadParams: there is no such plug-in, or it does not accept these knobs.
    """
    if not isinstance(knobs, Mapping):
        return knobs
    try:
        plugin = find(package, name)
    except BadParams as error:
        raise BadParams(f"{origin.partition(' (')[0]}: {error}" if origin else str(error)) from error
    return parse(plugin, _without_use(knobs), origin or f"use: {name}")


def _without_use(knobs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in knobs.items() if key != "use"}


def _home(package: str) -> str:
    return f"a plug-in of {package.replace('.', '/')}/"
