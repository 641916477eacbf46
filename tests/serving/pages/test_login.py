"""Logging in and out: with a key, or with a name while there are none."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from feedback.store import keys
from feedback.store.keys import KeyRole
from serving.context import Serving
from serving.pages.forms import LOGIN
from serving.pages.login import _own
from serving.pages.visitors import SESSION
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.serving.pages.browsing import heading, log_in, submit


def made(serving: Serving, name: str, role: KeyRole) -> str:
    """A new key."""
    return keys.make(serving.storage.database(), name, role, datetime.now(UTC))


def test_without_keys_a_name_is_asked_for(client: TestClient) -> None:
    assert heading(client.get("/label")) == "Log in"
    page = log_in(client, name=" Ana María ")
    assert (str(page.url), heading(page)) == ("http://testserver/label", "Nothing to label now")
    assert "Ana María" in page.text


@pytest.mark.parametrize("name", ["", "  ", "a" * 101, "a\u202eb", "a\nb"])
def test_what_is_no_name_is_refused_with_the_form(client: TestClient, name: str) -> None:
    page = log_in(client, name=name)
    assert (page.status_code, heading(page)) == (403, "Log in")
    assert "Type a name of 1 to 100 letters" in page.text
    assert SESSION not in client.cookies


@pytest.mark.parametrize("role", ["annotator", "operator"])
def test_with_a_key_the_person_is_its_name(serving: Serving, client: TestClient, role: KeyRole) -> None:
    key = made(serving, "ana", role)
    page = log_in(client, key=f" {key}\n")
    assert heading(page) == "Nothing to label now"
    assert '<span dir="auto">ana</span>' in page.text
    assert key not in page.text


def test_keys_that_open_no_page(serving: Serving, client: TestClient) -> None:
    page = log_in(client, key=made(serving, "shop", "client"))
    assert (page.status_code, SESSION in client.cookies) == (403, False)
    assert "The key shop is that of an application" in page.text
    keys.revoke(serving.storage.database(), "shop", datetime.now(UTC))
    assert "This key is not valid" in log_in(client, key="rounds_x").text


@cures("serving.pages.login._admitted: rounds keys make")
def test_the_problem_says_where_a_key_comes_from(serving: Serving, client: TestClient, rounds: Rounds) -> None:
    made(serving, "boss", "operator")
    [command] = [words(log_in(client, key="x").text, "rounds keys make")]
    printed = rounds(*command[1:], "ana", "--role", "annotator", "-w", serving.workspace.root).out.strip()
    assert heading(log_in(client, key=printed)) == "Nothing to label now"


def test_a_name_is_no_way_in_once_there_are_keys(serving: Serving, client: TestClient) -> None:
    page = client.get("/login")
    made(serving, "boss", "operator")
    assert submit(client, page, "/login", name="ana").status_code == 403
    assert SESSION not in client.cookies


def test_the_cookie_is_for_this_site_alone(client: TestClient) -> None:
    page = client.get("/login")
    fields = {"token": page.text.split('name="token" value="')[1].split('"')[0], "name": "ana"}
    for headers, secure in (({}, False), ({"X-Forwarded-Proto": "https"}, True)):
        response = client.post("/login", data=fields, headers=headers, follow_redirects=False)
        [cookie] = [each for each in response.headers.get_list("set-cookie") if each.startswith(SESSION)]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/" in cookie
        assert ("Secure" in cookie) is secure
        client.cookies.set(LOGIN, page.cookies[LOGIN])
        client.cookies.delete(SESSION)


def test_logging_out_ends_the_session_also_for_who_has_its_cookie(client: TestClient) -> None:
    page = log_in(client, name="ana")
    token = client.cookies[SESSION]
    assert heading(submit(client, page, "/logout")) == "Log in"
    assert SESSION not in client.cookies
    client.cookies.set(SESSION, token)
    assert heading(client.get("/label")) == "Log in"


def test_a_revoked_key_ends_its_sessions(serving: Serving, client: TestClient) -> None:
    log_in(client, key=made(serving, "ana", "annotator"))
    keys.revoke(serving.storage.database(), "ana", datetime.now(UTC))
    assert heading(client.get("/label")) == "Log in"


def test_the_first_page_and_the_one_that_was_asked_for(client: TestClient) -> None:
    asked = client.get("/label", follow_redirects=False)
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=/label")
    assert str(client.get("/").url) == "http://testserver/login?next=/"
    log_in(client, name="ana")
    assert str(client.get("/").url) == "http://testserver/label"
    assert str(client.get("/login").url) == "http://testserver/label"


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/label", "/label"),
        ("/label/guidelines?x=1", "/label/guidelines"),
        ("//evil.example/label", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/v1/models", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_led_to_another_site(path: str, own: str) -> None:
    assert _own(path) == own


def test_a_forgotten_person_is_logged_out_and_stays_out(serving: Serving, client: TestClient, rounds: Rounds) -> None:
    log_in(client, name="ana")
    command = ("feedback", "forget", "--annotator", "local:ana", "--yes", "-w", serving.workspace.root)
    with closing(sqlite3.connect(serving.workspace.feedback_database)) as other:  # the log stays while one is open
        other.execute("SELECT 1 FROM feedback_sessions").fetchall()
        assert b"ana" in content(serving.workspace)
        done = rounds(*command)
        assert b"ana" not in content(serving.workspace)
    assert (done.code, "Ended: 1 sessions on the pages of the server." in done.out) == (0, True), done
    page = client.get("/label")
    assert heading(page) == "Log in"
    page = submit(client, page, "/login", name="ana")
    assert (page.status_code, "ana was forgotten, and stays so. Log in under another name." in page.text) == (403, True)
    assert b"ana" not in content(serving.workspace)
    assert heading(log_in(client, name="bo")) == "Nothing to label now"


def content(workspace: Workspace) -> bytes:
    """The sessions, byte by byte: in the database, and in its write-ahead log."""
    file = workspace.feedback_database
    return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*") if not part.name.endswith("-shm"))


def test_a_forgotten_person_with_a_key_is_logged_out_and_stays_out(
    serving: Serving, client: TestClient, rounds: Rounds
) -> None:
    made(serving, "boss", "operator")
    key = made(serving, "ana", "annotator")
    log_in(client, key=key)
    command, where = ("feedback", "forget", "--annotator", "ana"), ("-w", serving.workspace.root)
    assert rounds(*command, "--yes", *where).code == 0
    assert "ana was forgotten, and stays so." in log_in(client, key=key).text
    assert "1 keys, which are revoked and lose the name" in " ".join(rounds(*command, "--purge", *where).out.split())
    assert rounds(*command, "--purge", "--yes", *where).code == 0
    assert "This key is not valid" in log_in(client, key=key).text
    assert b"ana" not in content(serving.workspace)
    refused = rounds("keys", "make", "ana", "--role", "annotator", *where)
    assert (refused.code, "ana was forgotten, and stays so; choose another name, such as ana-2" in refused.err) == (
        2,
        True,
    )
