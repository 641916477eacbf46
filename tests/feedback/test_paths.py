from typing import Any

import pytest

from feedback.paths import all_of, at, each

ROW: dict[str, Any] = {
    "q": {"text": "Q?"},
    "a.b": "dotted",
    "turns": [{"t": "one"}, {"t": "two"}, {"t": "three"}],
    "coded": '{"list": ["x", "y"]}',
    "named": {"m1": {"text": "A"}, "m2": {"text": "B"}},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("q.text", "Q?"),
        ("a.b", "dotted"),
        ("turns[0].t", "one"),
        ("turns[-1].t", "three"),
        ("turns[:-1]", ROW["turns"][:2]),
        ("turns[1:]", ROW["turns"][1:]),
        ("coded.list[1]", "y"),
        ("turns[3]", None),
        ("turns[-4]", None),
        ("turns.t", None),
        ("q.text.more", None),
        ("nothing", None),
    ],
)
def test_a_path_leads_to_one_value(path: str, value: object) -> None:
    assert at(ROW, path) == value


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("turns[*].t", ["one", "two", "three"]),
        ("coded.list[*]", ["x", "y"]),
        ("named[*].text", ["A", "B"]),
        ("named[#]", ["m1", "m2"]),
        ("q.text", ["Q?"]),
        ("q.text[*]", []),
        ("nothing[#]", []),
    ],
)
def test_a_path_leads_to_each_value_of_a_list(path: str, values: list[Any]) -> None:
    assert each(ROW, path) == values


def test_several_paths() -> None:
    assert all_of(ROW, ("q.text", "turns[*].t")) == ["Q?", "one", "two", "three"]
