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


SECRETS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40).map("S3cr".__add__)
"""Passwords that no message of ours has in it by chance."""
HOSTS = st.sampled_from(["127.0.0.1:9", "db.example.org", "[::1]:5432", "bucket"])
SCHEMES = st.sampled_from(
    ["http", "https", "postgresql", "postgresql+psycopg", "mysql", "ssh", "s3", "webdavs", "HTTPS"]
)
BEFORE, AFTER = (
    st.sampled_from(["", "cannot connect to ", "('", "url="]),
    st.sampled_from(["", " refused", "')", ", try"]),
)


@given(SCHEMES, HOSTS, SECRETS, BEFORE, AFTER, st.sampled_from(["/x", "/", "", "/a?b=c#d"]))
def test_no_password_of_a_url_is_left(scheme: str, host: str, secret: str, before: str, after: str, path: str) -> None:
    text = f"{before}{scheme}://ana:{secret}@{host}{path}{after}"
    assert urls.without_secrets(text, {}) == f"{before}{scheme}://ana:***@{host}{path}{after}"


@pytest.mark.parametrize("password", ["p@ssword", "p%40ss?w#rd", "a:b:c", "p&ss=w"])
def test_a_password_with_marks_is_removed_as_a_whole(password: str) -> None:
    assert urls.without_secrets(f"see https://ana:{password}@host/x now", {}) == "see https://ana:***@host/x now"
    assert urls.without_secrets(f"postgresql://ana:{password}/@host/x", {}) == "postgresql://ana:***@host/x"


@given(SECRETS, st.sampled_from(["token", "sig", "access_token", "api_key", "X-Amz-Signature", "password", "apikey"]))
def test_no_secret_of_a_query_is_left(secret: str, name: str) -> None:
    text = f"GET https://host/path?page=1&{name}={secret}&end=2 failed"
    assert urls.without_secrets(text, {}) == f"GET https://host/path?page=1&{name}=***&end=2 failed"


@given(SECRETS)
def test_credentials_of_connection_strings_and_headers_are_removed(secret: str) -> None:
    for text in (f"host=db password={secret} dbname=x", f"password='{secret} x'", f"Authorization: Bearer {secret}"):
        assert secret not in urls.without_secrets(text, {})
    assert secret not in urls.without_secrets(f"https://{secret}@github.com/x.git", {})


@given(SECRETS)
def test_secrets_of_the_environment_are_removed_wherever_they_stand(secret: str) -> None:
    quoted = secret.replace("S", "%53")
    for environment in (
        {"PREFECT_API_KEY": secret},
        {"MLFLOW_TRACKING_PASSWORD": secret},
        {"MLFLOW_TRACKING_URI": f"https://ana:{secret}@host"},
        {"ROUNDS_FEEDBACK_DATABASE": f"postgresql://ana:{quoted}@host/x"},
        {"http_proxy": f"http://ana:{secret}@proxy:3128"},
        {"ADDRESS": f"https://host/?sig={secret}"},
    ):
        assert urls.without_secrets(f"login failed: {secret}!", environment) == "login failed: ***!"


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/experiments/1/runs/2",
        "ssh://ana@host:22/data",
        "sqlite:////a/b@c.db",
        "policy.kl.target=6; see docs/params.md",
        "write to ana@example.org, or see https://example.org/x?page=2&key_words=a",
        "the token was accepted, the password: none",
        "postgresql://USER@HOST/DATABASE",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    assert urls.without_secrets(text, {"HOME": "/home/ana", "SHORT_TOKEN": "abc"}) == text


def test_long_texts_take_no_time() -> None:
    import time

    began = time.perf_counter()
    for piece in ("a-", "://a", "?a", "x://a:", "Bearer ", "password=", "&token"):
        urls.without_secrets(piece * 20_000 + "://", {})
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("name", ["plain.db", "it's 100% new?.db", "größe#1.db"])
def test_the_file_of_an_address(tmp_path: Path, name: str) -> None:
    assert urls.sqlite_file(urls.sqlite(tmp_path / name)) == (tmp_path / name).resolve()
    assert urls.sqlite_file("sqlite:///mlflow.db?timeout=60") == Path("mlflow.db")
    for other in ("sqlite://", "sqlite:///:memory:", "http://localhost:5000", "postgresql://u:p@h/d", "mlflow.db"):
        assert urls.sqlite_file(other) is None


def test_an_address_without_its_user_and_password() -> None:
    assert urls.without_user("http://me:secret@host:5000/x") == "http://host:5000/x"
    assert urls.without_user("sqlite:////a/b@c.db") == "sqlite:////a/b@c.db"
