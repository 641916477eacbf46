"""dvc.lock written with libyaml is the same to DVC as what it writes itself."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from dvc import dvcfile
from dvc.utils import serialize
from hypothesis import given
from hypothesis import strategies as st

from tasks.tools.dvc_lock_file import written_fast

DIFFICULT = [
    *("on", "no", "yes", "y", "1:30", "1_000", "1e3", "12345e67", "0o17", "017", "0x1f", "2026-11-30", "~", "null", ""),
    *("true", "=", "<<", "- a", "a: b", "#", "ä ß 𝄞", "two\nlines", " space ", "x" * 300, "'", '"', "\t", ".5", "1."),
    *(1, 0, -3, 1e-05, 1e22, 0.1, float("inf"), True, False, None, [], {}, [1, [2, {"a": None}]], {"b": 1, "a": 2}),
]


def write(file: Path, values: Any, fast: bool) -> None:
    """Add values to a file as DVC adds stages to dvc.lock."""
    if not fast:
        with dvcfile.modify_yaml(file) as data:
            data["stages"] = OrderedDict(values=values)
        return
    with written_fast(), dvcfile.modify_yaml(file) as data:
        data["stages"] = OrderedDict(values=values)


def read(file: Path) -> Any:
    return serialize.load_yaml(file)["stages"]["values"]


@pytest.mark.parametrize("value", DIFFICULT, ids=repr)
def test_dvc_reads_the_same_values(value: Any, tmp_path: Path) -> None:
    for fast in (True, False):
        write(tmp_path / f"{fast}.yaml", value, fast)
    assert read(tmp_path / "True.yaml") == read(tmp_path / "False.yaml") == value
    with written_fast(), dvcfile.modify_yaml(tmp_path / "False.yaml") as data:  # written by DVC, read with libyaml
        assert data["stages"]["values"] == value
        assert type(data["stages"]["values"]) is type(value)
    assert read(tmp_path / "False.yaml") == value


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"])))
def test_dvc_reads_the_same_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("lock") / "dvc.lock"
    write(file, {text: text}, fast=True)
    assert read(file) == {text: text}


def test_the_order_is_kept_and_nothing_is_an_alias(tmp_path: Path) -> None:
    same = {"z": 1, "a": 2}
    write(tmp_path / "dvc.lock", [same, same], fast=True)
    assert list(read(tmp_path / "dvc.lock")[1]) == ["z", "a"]
    assert "&" not in (tmp_path / "dvc.lock").read_text()


def test_afterwards_dvc_writes_as_before() -> None:
    before = dvcfile.modify_yaml
    with pytest.raises(ZeroDivisionError), written_fast():
        raise ZeroDivisionError
    assert dvcfile.modify_yaml is before
