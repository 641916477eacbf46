"""Values on disk: what is written is read again, and what cannot be read is named."""

from pathlib import Path

import pytest

from core.errors import BadWorkspace, Damaged
from core.files import read_json, write_json
from core.stored import Stored


class Shelf(Stored):
    books: int
    owner: str | None = None


def test_a_value_comes_back_and_has_the_number_of_its_form(tmp_path: Path) -> None:
    Shelf(books=3).save(tmp_path / "shelf.json")
    assert read_json(tmp_path / "shelf.json") == {"format": 1, "books": 3, "owner": None}
    assert Shelf.load(tmp_path / "shelf.json") == Shelf(books=3)


def test_a_file_from_before_the_number_is_read_and_an_unknown_key_ignored() -> None:
    assert Shelf.from_json({"books": 3, "colour": "red"}) == Shelf(books=3)


@pytest.mark.parametrize(("held", "named"), [({}, "books"), ({"books": "many"}, "books"), ([], "it: ")])
def test_what_is_missing_or_wrong_is_named_with_its_file(held: object, named: str, tmp_path: Path) -> None:
    write_json(tmp_path / "shelf.json", held)
    with pytest.raises(Damaged) as caught:
        Shelf.load(tmp_path / "shelf.json")
    assert f"{tmp_path}/shelf.json is not whole: {named}" in str(caught.value)


def test_a_later_form_is_refused() -> None:
    with pytest.raises(BadWorkspace, match="has form 2") as caught:
        Shelf.from_json({"format": 2, "books": {"paper": 3}})
    assert not isinstance(caught.value, Damaged)
