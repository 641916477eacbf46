"""Paths with any valid character survive conversion to a URL."""

import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from core import urls

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@given(NAMES)
def test_a_database_url_parses_to_its_path(name: str) -> None:
    file = Path("/somewhere") / name / "mlflow.db"
    url = make_url(urls.sqlite(file))
    assert (url.database, url.query, url.get_backend_name()) == (str(file), {}, "sqlite")


@given(NAMES)
def test_a_folder_url_parses_to_its_path(name: str) -> None:
    parts = urlsplit(urls.folder(Path("/somewhere") / name))
    assert (parts.scheme, unquote(parts.path), parts.query, parts.fragment) == ("file", f"/somewhere/{name}", "", "")


@pytest.mark.parametrize("name", ["plain", "two words", "a'b"])
def test_a_plain_path_has_the_short_url(tmp_path: Path, name: str) -> None:
    assert urls.sqlite(tmp_path / name) == f"sqlite:///{tmp_path}/{name}"


def test_a_quoted_url_opens_the_same_file(tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    file = tmp_path / "a ?b%20#c.db"
    with sqlite3.connect(file) as database:
        database.execute("create table numbers (x)")
    database.close()
    engine = create_engine(urls.sqlite(file))
    with engine.connect() as connection:
        assert connection.execute(text("select name from sqlite_master")).scalar() == "numbers"
    engine.dispose()
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("name", ["plain.db", "it's 100% new?.db", "größe#1.db"])
def test_the_file_of_an_address(tmp_path: Path, name: str) -> None:
    assert urls.sqlite_file(urls.sqlite(tmp_path / name)) == (tmp_path / name).resolve()
    assert urls.sqlite_file("sqlite:///mlflow.db?timeout=60") == Path("mlflow.db")
    for other in ("sqlite://", "sqlite:///:memory:", "http://localhost:5000", "postgresql://u:p@h/d", "mlflow.db"):
        assert urls.sqlite_file(other) is None
