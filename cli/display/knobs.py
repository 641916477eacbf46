"""docs/params.md: all knobs, generated from the settings classes."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from core.plugins import Plugin, find, names
from tasks.rounds.params import RoundSettings

PARAMS_HEAD = """\
# Knobs

Written by `make docs` from the settings classes. `params.yaml` of a workspace holds only the values that
differ; `rounds params` prints the values in effect and their origin. [A round](round.md#knobs) says how to set them.
"""

PLUGINS = (
    ("models.algorithms", "policy"),
    ("models.rewards", "policy.reward"),
    ("feedback.sources", "ingest.sources and vote.annotator"),
    ("evaluation.evals", "evaluate.evals"),
    ("evaluation.harms", "the harm of evaluate.evals.red_team"),
    ("feedback.rules", "the rule of the source rule"),
    ("evaluation.gates", "verdict.gates"),
    ("evaluation.guards", "watch.guards"),
)
"""Packages of plug-ins, and the knobs that configure them."""

BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
TYPES = {int: "whole number", float: "number", str: "text", bool: "true or false", NoneType: "null", Path: "path"}


class Row(NamedTuple):
    """One row of a table of knobs."""

    knob: str
    kind: str
    default: str
    meaning: str


def params_page() -> str:
    """Every knob with its type, bounds, default and meaning: the sections, then the plug-ins."""
    params = RoundSettings()
    parts = [PARAMS_HEAD, "## Sections\n", _table([_row("seed", params, "seed")])]
    for name in list(RoundSettings.model_fields)[1:]:
        section = getattr(params, name)
        parts += [f"### {name}\n", f"{_sentence(type(section))}\n"]
        if isinstance(section, Plugin):
            parts.append(
                f"`use: {section.name()}`, unless `{name}.use` names another [plug-in](#{_anchor(PLUGINS[0])}).\n"
            )
        else:
            parts.append(_table(_rows(section, name)))
    for package, where in PLUGINS:
        parts += [f"## {_title((package, where))}\n"]
        for plugin in names(package):
            kind = find(package, plugin)
            rows = list(_plugin_rows(kind))
            parts += [f"### {package.rpartition('.')[2]}/{plugin}\n", f"{_sentence(kind)}\n"]
            parts += [_table(rows)] if rows else ["No knobs.\n"]
    return "\n".join(parts)


def _title(plugins: tuple[str, str]) -> str:
    return f"Plug-ins of {plugins[0].replace('.', '/')}, for {plugins[1]}"


def _anchor(plugins: tuple[str, str]) -> str:
    return re.sub(r"[^\w\- ]", "", _title(plugins).lower()).replace(" ", "-")


def _table(rows: Iterable[Row]) -> str:
    lines = ["| knob | type | default | meaning |", "|---|---|---|---|"]
    for row in rows:
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines) + "\n"


def _rows(model: BaseModel, prefix: str) -> Iterator[Row]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel) and not isinstance(value, Plugin):
            yield from _rows(value, f"{prefix}.{name}")
        else:
            yield _row(f"{prefix}.{name}", model, name)


def _row(shown: str, model: BaseModel, name: str) -> Row:
    field, value = type(model).model_fields[name], getattr(model, name)
    plain = list(value) if isinstance(value, dict) else model.model_dump(mode="json")[name]
    return Row(f"`{shown}`", kind_of(field), _code(plain), _described(field))


def _plugin_rows(kind: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    for name, field in kind.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel) and not issubclass(group, Plugin):
            yield from _plugin_rows(group, f"{prefix}{name}.")
        else:
            yield Row(f"`{prefix}{name}`", kind_of(field), _default(field), _described(field))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return _code(to_jsonable_python(field.get_default(call_default_factory=True)))


def kind_of(field: FieldInfo) -> str:
    """Type and bounds of a knob in words: `whole number, ≥ 1`."""
    bounds = [
        f"{sign} {getattr(limit, name)}" for limit in field.metadata for name, sign in BOUNDS if hasattr(limit, name)
    ]
    return ", ".join([_type(field.annotation), *bounds])


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, UnionType):
        return " or ".join(map(_type, inner))
    if origin in (tuple, list, set, frozenset):
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return f"mapping of name to {_type(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "plug-in" if issubclass(annotation, Plugin) else "group"
    return TYPES.get(annotation, str(getattr(annotation, "__name__", annotation)))


def _described(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _sentence(kind: type[BaseModel]) -> str:
    return (kind.__doc__ or "").splitlines()[0]


def _code(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True, sort_keys=False)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"
