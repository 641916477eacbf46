from pathlib import Path

import pytest
from pydantic import Field

from core.errors import BadParams
from core.settings import BaseSettings, override, parse, read


class KL(BaseSettings):
    target: float = Field(6, gt=0)


class Policy(BaseSettings):
    kl: KL = KL()
    steps: int = 15


def test_an_override_changes_a_nested_knob_in_a_copy() -> None:
    values = {"kl": {"target": 6}, "steps": 15}
    assert override(values, ["kl.target=4.5"]) == {"kl": {"target": 4.5}, "steps": 15}
    assert values == {"kl": {"target": 6}, "steps": 15}


def test_an_override_is_read_as_yaml() -> None:
    assert override({}, ["sources=[{use: hh_rlhf, path: a.gz}]"]) == {"sources": [{"use": "hh_rlhf", "path": "a.gz"}]}


@pytest.mark.parametrize("text", ["steps", "=3", "steps=[1", "steps.few=3"])
def test_the_error_about_an_unreadable_override_names_the_option(text: str) -> None:
    with pytest.raises(BadParams, match="-S"):
        override({"steps": 15}, [text])


def test_the_error_about_an_unknown_knob_suggests_the_closest_name() -> None:
    with pytest.raises(BadParams, match=r"kl\.traget: there is no such knob; did you mean 'target'\?"):
        parse(Policy, {"kl": {"traget": 3}}, "params.yaml")


def test_the_error_names_a_wrong_type_and_a_value_out_of_bounds() -> None:
    with pytest.raises(BadParams) as caught:
        parse(Policy, {"kl": {"target": -1}, "steps": "many"}, "params.yaml")
    assert "kl.target: Input should be greater than 0 (got -1)" in str(caught.value)
    assert 'steps: expected a whole number (got "many")' in str(caught.value)


def test_a_file_that_is_not_a_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("- 1\n")
    with pytest.raises(BadParams, match="sections with knobs, not a list"):
        read(tmp_path / "params.yaml")
    with pytest.raises(BadParams, match="is missing"):
        read(tmp_path / "other.yaml")


def test_a_key_that_is_written_twice_is_refused_in_a_file_and_in_an_override(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("values:\n  left: 0\n  left: 1\n")
    with pytest.raises(BadParams, match=r"map\.yaml .*line 3: the key left .*line 2"):
        read(tmp_path / "map.yaml")
    with pytest.raises(BadParams, match=r"-S .*the key 1 is written twice"):
        override({}, ["values={1: 0, '1': 1}"])


def test_true_and_1_are_two_keys_of_an_override() -> None:
    assert override({}, ["values={1: 1, true: 0}"]) == {"values": {"1": 1, "true": 0}}
