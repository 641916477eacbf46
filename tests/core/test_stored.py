"""Stored values: round trip through JSON, and errors that name file and field."""

from pathlib import Path

import pytest

from core.errors import BadWorkspace, Damaged
from core.files import read_json, write_json
from core.stored import Stored


class Shelf(Stored):
    books: int
    owner: str | None = None


def test_a_value_survives_a_round_trip_and_its_file_has_a_format_version(tmp_path: Path) -> None:
    Shelf(books=3).save(tmp_path / "shelf.json")
    assert read_json(tmp_path / "shelf.json") == {"format": 1, "books": 3, "owner": None}
    assert Shelf.load(tmp_path / "shelf.json") == Shelf(books=3)


def test_a_file_without_format_version_is_read_and_an_unknown_key_is_ignored() -> None:
    assert Shelf.from_json({"books": 3, "colour": "red"}) == Shelf(books=3)


@pytest.mark.parametrize(("content", "named"), [({}, "books"), ({"books": "many"}, "books"), ([], "it: ")])
def test_a_missing_or_wrong_field_is_named_with_its_file(content: object, named: str, tmp_path: Path) -> None:
    write_json(tmp_path / "shelf.json", content)
    with pytest.raises(Damaged) as caught:
        Shelf.load(tmp_path / "shelf.json")
    assert f"{tmp_path}/shelf.json is incomplete or invalid: {named}" in str(caught.value)


def test_a_later_format_is_refused() -> None:
    with pytest.raises(BadWorkspace, match="version 2") as caught:
        Shelf.from_json({"format": 2, "books": {"paper": 3}})
    assert not isinstance(caught.value, Damaged)
