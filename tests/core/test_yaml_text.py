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
