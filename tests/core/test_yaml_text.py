import time
from itertools import pairwise

import pytest
import yaml

from core.yaml_text import parse_yaml, text_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{0: 0, false: 1}", {"0": 0, "false": 1}),
        ("{false: 1, 0: 0}", {"false": 1, "0": 0}),
        ("{true: 0, left: 0, 1: 1}", {"true": 0, "left": 0, "1": 1}),
        ("{1: 1, left: 0, true: 0}", {"1": 1, "left": 0, "true": 0}),
        ('{"1": a, "true": b, "null": c}', {"1": "a", "true": "b", "null": "c"}),
        ('{yes: a, "yes": b, null: c, 2.5: d, 3.0: e}', {"true": "a", "yes": "b", "null": "c", "2.5": "d", "3": "e"}),
        ("a: &one {1: [true, 1]}\nb: *one", {"a": {"1": [True, 1]}, "b": {"1": [True, 1]}}),
        ("a: &one {x: 1, y: 2}\nb: {<<: *one, x: 3}", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
        ("[{1: a}, {1: b}]", [{"1": "a"}, {"1": "b"}]),
        ("", None),
    ],
)
def test_keys_are_texts_that_stay_apart(text: str, value: object) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "key", "first", "second"),
    [
        ("left: 0\nright: 1\nleft: 1", "left", 1, 3),
        ("a:\n- {1: 0,\n   '1': 1}", "1", 2, 3),
        ("true: 0\nyes: 1", "true", 1, 2),
        ("1: 0\n1.0: 1", "1", 1, 2),
    ],
)
def test_a_key_that_is_written_twice_is_refused(text: str, key: str, first: int, second: int) -> None:
    with pytest.raises(yaml.YAMLError, match=rf"line {second}: the key {key} .*line {first}; remove one of the two"):
        parse_yaml(text)


def test_values_as_they_are_written_in_a_map() -> None:
    assert [text_of(value) for value in (None, True, 1, 1.0, 0.5, "a")] == ["null", "true", "1", "1", "0.5", "a"]


LAUGHS = "".join(f"{name}: &{name} [{', '.join(['*' + inner] * 9)}]\n" for inner, name in pairwise("abcdefghi"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 1_000_000, "nested more than 100 levels"),
        ("\n".join(" " * level + "a:" for level in range(3000)), "line 101: nested"),
        ("- " * 200 + "a", "nested more than 100 levels"),
        ("a: &a [x, x, x, x, x, x, x, x, x]\n" + LAUGHS, "aliases .* stand for 490,329,064 values"),
        ("&a [*a]", "contains it"),
        ("a: &a {b: {c: *a}}", "contains it"),
        ("a: " + "9" * 5000, "quote it"),
        ("a: 2024-13-45", "quote it"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a:\n\t- 1", "cannot start any token"),
        ("a: \0", "unacceptable character|control characters are not allowed"),
    ],
)
def test_texts_that_are_meant_to_harm_are_refused_at_once(text: str, problem: str) -> None:
    began = time.perf_counter()
    with pytest.raises(yaml.YAMLError, match=problem):
        parse_yaml(text)
    assert time.perf_counter() - began < 1


def test_ordinary_nesting_and_aliases_are_read() -> None:
    assert parse_yaml("[" * 100 + "]" * 100)
    assert parse_yaml("a: &a {b: [1, 2]}\nc: [*a, *a]") == {"a": {"b": [1, 2]}, "c": [{"b": [1, 2]}] * 2}
