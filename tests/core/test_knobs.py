"""Every knob refuses values of other types, infinite numbers and addresses with secrets, and is named in full."""

import math
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from core.errors import BadParams
from core.knobs import given
from core.plugins import Plugin, find, names
from core.settings import override, parse
from core.yaml_text import parse_yaml
from tasks.rounds import request
from tasks.rounds.params import RoundSettings
from tasks.state.workspace import Workspace

WRONG = {
    int: (
        "true",
        "yes",
        "1e3",
        "1.5",
        "3.0",
        ".inf",
        ".nan",
        "'3'",
        "2024-01-01",
        "[1]",
        "{a: 1}",
        "9" * 30,
        "-1.0e+400",
    ),
    float: ("true", ".inf", "-.inf", ".nan", "'3'", "1e999", "2024-01-01", "[1]", "{a: 1}", "many"),
    bool: ("1", "0", "'true'", "1.0", "[true]", "maybe"),
    str: ("1", "true", "1.5", "2024-01-01", "[a]", "{a: b}", "!!binary YQ=="),
    list: ("1", "true", "text", "{a: b}", ".inf", "2024-01-01"),
    dict: ("1", "true", "text", "[a]", ".inf"),
}
"""Type of a knob → YAML that is not of it, although pydantic would accept some of it."""

SECTIONS = {
    "ingest.sources.0": "feedback.sources",
    "evaluate.evals.{}": "evaluation.evals",
    "verdict.gates.{}": "evaluation.gates",
    "watch.guards.{}": "evaluation.guards",
    "policy": "models.algorithms",
}
"""Where plug-ins are used → their package."""


def kinds(annotation: Any) -> set[type]:
    """The plain types that a knob accepts; empty if one of them is not plain."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kinds(inner[0])
    if origin in (Union, types.UnionType):
        parts = [kinds(part) for part in inner if part is not types.NoneType]
        return set().union(*parts) if all(parts) else set()
    if origin in (tuple, list, set, frozenset):
        return {list}
    if origin is dict:
        return {dict}
    if origin is Literal or (isinstance(annotation, type) and issubclass(annotation, Path)):
        return {str}
    return {annotation} if annotation in WRONG else set()


def knobs(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, set[type]]]:
    """The name and the types of every knob of a class of settings, and of the groups in it."""
    for name, field in model.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel) and not issubclass(group, Plugin):
            yield from knobs(group, f"{prefix}{name}.")
        elif accepted := kinds(group):
            yield f"{prefix}{name}", accepted


def every() -> Iterator[tuple[str, str, set[type]]]:
    """Place, knob and types, of the sections and of all plug-ins where they are used."""
    for name, field in RoundSettings.model_fields.items():
        if name in ("seed", "policy"):
            continue
        assert isinstance(field.annotation, type)
        yield from (("", knob, accepted) for knob, accepted in knobs(field.annotation, f"{name}."))
    for place, package in SECTIONS.items():
        for plugin in names(package):
            yield from (
                (place.format(plugin), f"{plugin}:{k}", accepted) for k, accepted in knobs(find(package, plugin), "")
            )


def values(place: str, knob: str, text: str) -> tuple[dict[str, Any], str]:
    """Settings with this value, and the full name of the knob."""
    value = parse_yaml(text)
    if not place:
        return override({}, [f"{knob}={text}"]), knob
    plugin, _, name = knob.partition(":")
    inner = override({} if "{}" in place else {"use": plugin}, [f"{name}={text}"])
    del value
    if place.startswith("ingest"):
        return {"ingest": {"sources": [{"use": plugin, **inner}]}}, f"{place}.{name}"
    if place == "policy":
        return {"policy": {"use": plugin, **inner}}, f"policy.{name}"
    section, group, _ = place.split(".")
    inner.pop("use", None)
    return {section: {group: {plugin: inner}}}, f"{place}.{name}"


@pytest.mark.parametrize(("place", "knob", "accepted"), list(every()), ids=lambda it: it if isinstance(it, str) else "")
def test_a_knob_refuses_what_is_not_of_its_type_by_its_full_name(place: str, knob: str, accepted: set[type]) -> None:
    wrong = set.intersection(*({*WRONG[kind]} for kind in accepted))
    assert wrong
    for text in sorted(wrong):
        settings, name = values(place, knob, text)
        with pytest.raises(BadParams) as caught:
            parse(RoundSettings, settings, "params.yaml")
        lines = str(caught.value).splitlines()
        assert lines[0] == "params.yaml:"
        assert any(line.startswith((f"  {name}:", f"  {name}.")) for line in lines), (name, text, lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.inf, ".inf"), (-math.inf, "-.inf"), (math.nan, ".nan"), (True, "true"), ([1], "[1]"), ("1e3", '"1e3"')],
)
def test_a_value_is_given_as_it_was_written(value: object, text: str) -> None:
    assert given(value) == text
    assert len(given("x" * 10_000)) == 120


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.0e-4", "0.0001"])
def test_a_number_may_be_written_with_an_exponent(text: str) -> None:
    settings = parse(RoundSettings, override({}, [f"policy.learning_rate={text}"]), "-S")
    assert settings.policy.learning_rate == 0.0001  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "address",
    [
        "http://ana:S3cretword@host:5000",
        "https://S3cretword@host",
        "https://host/?token=S3cretword",
        "postgresql://a:S3cretword@h/x",
    ],
)
def test_an_address_with_a_secret_is_refused_without_printing_it(workspace: Workspace, address: str) -> None:
    given = [f"ingest.sources=[{{use: mlflow_assessments, experiments: [a], tracking_uri: '{address}'}}]"]
    with pytest.raises(BadParams, match=r"ingest\.sources\.0\.tracking_uri: .*\*\*\*") as caught:
        request.parsed(workspace, override({}, given), given)
    assert "S3cretword" not in str(caught.value)
    assert "MLFLOW_TRACKING_PASSWORD" in str(caught.value)
