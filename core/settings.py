"""Settings: their base class, and how they are read from a YAML file and `KEY=VALUE` overrides and validated."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import BadParams
from core.yaml_text import parse_yaml

Settings = TypeVar("Settings", bound=BaseModel)


class BaseSettings(BaseModel):
    """A group of settings. Each field is one knob: a type, bounds and a docstring, which docs/params.md shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        BadParams: the file is missing, not YAML, or not a mapping, or a key is written twice.
    """
    if not path.exists():
        raise BadParams(f"{path} is missing; create it, an empty file sets nothing")
    try:
        values = parse_yaml(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadParams(f"{path} cannot be read as YAML; correct it: {error}") from error
    if not isinstance(values, dict):
        raise BadParams(
            f"{path} must contain sections with knobs, not a {type(values).__name__}; write `SECTION: {{KNOB: VALUE}}`"
        )
    return values


def line_numbers(text: str) -> dict[str, int]:
    """Dotted name → line number, from 1, of each value in a YAML text. An empty mapping is a value."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return dict(_lines(root, "")) if isinstance(root, yaml.MappingNode) else {}


def _lines(node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, int]]:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _lines(value, f"{name}.")
        else:
            yield name, key.start_mark.line + 1


def override(values: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of `values` with each `section.knob=VALUE` applied. VALUE is YAML; a list or mapping replaces the old one.

    Raises:
        BadParams: an override is not of the form KEY=VALUE, its value is not YAML or has a key twice, or its key is
            inside a plain value.
    """
    changed = _copy(values)
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise BadParams(f"-S {text!r}: expected KEY=VALUE, for example -S policy.kl.target=6")
        try:
            parsed = parse_yaml(value)
        except yaml.YAMLError as error:
            raise BadParams(f"-S {text!r}: the value cannot be read as YAML; correct or quote it: {error}") from error
        *path, last = key.strip().split(".")
        group = changed
        for name in path:
            group = group.setdefault(name, {})
            if not isinstance(group, dict):
                raise BadParams(f"-S {text!r}: {name!r} is a value, not a group of knobs; set the whole value")
        group[last] = parsed
    return changed


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def parse(model: type[Settings], values: Mapping[str, Any], origin: str) -> Settings:
    """Validate `values` as settings of type `model`. `origin` is where they come from, for the error message.

    Raises:
        BadParams: names each knob that is unknown or out of bounds; for an unknown one it suggests the closest name.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(f"  {_problem(detail, model)}" for detail in error.errors())
        raise BadParams(f"{origin}:\n{problems}") from error


def section(model: type[Settings], values: Mapping[str, Any], name: str, origin: object) -> Settings:
    """Validate one section of `values`; if it is missing, all knobs have their defaults.

    Raises:
        BadParams: see `parse`.
    """
    return parse(model, values.get(name) or {}, f"{origin}, {name}")


def _problem(detail: Any, model: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(detail["loc"][-1]), _known(model), n=1)
        return f"{name}: there is no such knob" + (f"; did you mean {close[0]!r}?" if close else "; see docs/params.md")
    return f"{name}: {detail['msg']} (got {detail['input']!r})"


def _known(model: type[BaseModel]) -> list[str]:
    names = list(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += _known(field.annotation)
    return names
