"""Who may see which page."""

from datetime import UTC, datetime

from fastapi import FastAPI
from starlette.testclient import TestClient

from feedback.store import keys
from serving.app import create_app
from serving.context import Serving
from serving.pages.visitors import SESSION, Operating, form_token
from serving.settings import ServingSettings
from tasks.state.workspace import Workspace
from tests.serving.pages.browsing import heading, log_in, submit


def test_only_operators_operate(serving: Serving, client: TestClient) -> None:
    def operating(visitor: Operating) -> str:
        return visitor.annotator

    assert isinstance(client.app, FastAPI)
    client.app.add_api_route("/label/of-this-test", operating)
    database = serving.storage.database()
    log_in(client, key=keys.make(database, "ana", "annotator", datetime.now(UTC)))
    page = client.get("/label/of-this-test")
    assert (page.status_code, heading(page)) == (403, "This is not for you")
    assert "the key ana has the role annotator, and this page is for operator keys; log out, and log in" in page.text
    assert heading(submit(client, page, "/logout")) == "Log in"
    client.cookies.clear()
    log_in(client, key=keys.make(database, "boss", "operator", datetime.now(UTC)))
    assert client.get("/label/of-this-test").json() == "boss"


def test_a_key_opens_no_page_without_a_session(serving: Serving, client: TestClient) -> None:
    key = keys.make(serving.storage.database(), "boss", "operator", datetime.now(UTC))
    assert heading(client.get("/label", headers={"Authorization": f"Bearer {key}"})) == "Log in"


def test_a_session_opens_no_route_of_programs(serving: Serving, client: TestClient) -> None:
    log_in(client, key=keys.make(serving.storage.database(), "boss", "operator", datetime.now(UTC)))
    assert client.get("/v1/models").status_code == 401


def test_a_link_on_another_site_opens_the_page_again_from_here(client: TestClient) -> None:
    page = client.get("/label", headers={"Sec-Fetch-Site": "cross-site"})
    assert (page.status_code, heading(page)) == (200, "Opening the page")
    assert '<meta http-equiv="refresh" content="0">' in page.text


def test_too_many_requests_have_a_page_that_says_so(workspace: Workspace) -> None:
    with TestClient(create_app(Serving.of(workspace, ServingSettings(requests_per_minute=2)))) as client:
        log_in(client, name="ana")
        pages = [client.get("/label") for _ in range(3)]
    assert (pages[-1].status_code, heading(pages[-1])) == (429, "Too many requests")
    assert int(pages[-1].headers["retry-after"]) <= 30


def test_without_keys_people_and_programs_have_allowances_of_their_own(workspace: Workspace) -> None:
    with TestClient(create_app(Serving.of(workspace, ServingSettings(requests_per_minute=5)))) as client:
        programs = [client.get("/v1/models").status_code for _ in range(6)]
        people = []
        for name in ("ana", "bo"):
            client.cookies.clear()
            log_in(client, name=name)
            people.append([client.get("/label").status_code for _ in range(2)])
    assert programs[-1] == 429
    assert people == [[200, 200], [200, 200]]


def test_the_token_of_forms_does_not_tell_the_session(client: TestClient) -> None:
    page = log_in(client, name="ana")
    token = client.cookies[SESSION]
    assert token not in page.text
    assert form_token(token) in page.text
    assert form_token(f"{token}x") != form_token(token)
