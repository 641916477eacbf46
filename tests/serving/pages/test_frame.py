"""What all pages have: headers, escaping, errors with what to do."""

from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from serving.app import ROUTERS
from serving.context import Serving
from serving.errors import TYPES
from serving.pages.assets import FOLDER
from serving.pages.frame import HEADERS, ROOTS, TEMPLATES, TITLES, is_page, page
from serving.snippet import SCRIPT
from tests.hostile import WORD, WORST, Elements, hidden_characters
from tests.serving.pages.browsing import heading, log_in


@pytest.mark.parametrize("path", ["/login", "/label", "/label/nowhere", "/logout"])
def test_a_page_has_its_headers(client: TestClient, path: str) -> None:
    log_in(client, name="ana")
    response = client.get(path)
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_the_policy_lets_no_text_of_a_page_run() -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in HEADERS["content-security-policy"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == rules["form-action"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in HEADERS["content-security-policy"]


@pytest.mark.parametrize("file", [*TEMPLATES.iterdir(), *FOLDER.iterdir()], ids=lambda file: file.name)
def test_nothing_is_loaded_from_elsewhere_or_inline(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not [part for part in ("http://", "https://", "//cdn", "@import", "<style", " style=") if part in text]


@pytest.mark.parametrize("file", [*TEMPLATES.iterdir(), *FOLDER.iterdir(), SCRIPT], ids=lambda file: file.name)
def test_no_sign_needs_a_font_with_emoji(file: Path) -> None:
    assert [sign for sign in file.read_text(encoding="utf-8") if ord(sign) >= 0x1F000] == []


def test_pages_and_routes_of_programs_have_different_paths() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes if is_page(route.path) == route.include_in_schema} == set()
    assert not {"v1", "health", "metrics", "thumbs.js", "openapi.json"} & ROOTS


def test_every_error_has_a_heading() -> None:
    assert set(TITLES) == set(TYPES)


def test_a_page_that_is_missing_says_so_and_leads_back(client: TestClient) -> None:
    response = client.get("/label/nowhere")
    assert (response.status_code, heading(response)) == (404, "There is no such page")
    assert "Go to the first page." in response.text
    assert '<a href="/">To the first page</a>' in response.text
    assert client.get("/logout").status_code == 405


def test_without_the_database_a_page_says_what_is_wrong(serving: Serving, client: TestClient) -> None:
    log_in(client, name="ana")
    serving.storage._database = None
    serving.workspace.feedback_database.unlink()
    serving.workspace.feedback_database.mkdir()
    response = client.get("/label")
    assert (response.status_code, heading(response)) == (503, "Not available now")
    assert "the feedback database cannot be used" in response.text
    assert response.headers["retry-after"] == "5"


def test_a_text_of_an_outsider_stays_text() -> None:
    def rendered(text: str) -> Elements:
        return Elements(bytes(page("problem.html.jinja", None, text, message=text, again=False).body).decode())

    harmless, hostile = rendered(WORD), rendered(WORST)
    assert hostile.found == harmless.found
    assert hidden_characters(hostile.text) <= {"\n"}
