"""Forms of pages: of this session, and of this site."""

from collections.abc import Iterator

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from serving.app import ROUTERS
from serving.pages.forms import posted
from serving.pages.frame import is_page
from serving.pages.visitors import SESSION
from tests.serving.pages.browsing import Forms, heading, log_in


@pytest.mark.parametrize("token", ["", "x", "ü", "0" * 64])
def test_a_form_without_its_token_is_refused(client: TestClient, token: str) -> None:
    log_in(client, name="ana")
    page = client.post("/logout", data={"token": token})
    assert (page.status_code, heading(page)) == (403, "This is not for you")
    assert "open the page again, log in, and repeat it" in page.text
    assert client.get("/label").url.path == "/label"


def test_a_token_of_another_session_is_refused(client: TestClient) -> None:
    other = Forms(log_in(client, name="bo").text).found["/logout"]
    client.cookies.clear()
    log_in(client, name="ana")
    assert client.post("/logout", data=other).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_of_another_site_is_refused_even_with_its_token(client: TestClient, site: str) -> None:
    fields = Forms(log_in(client, name="ana").text).found["/logout"]
    assert client.post("/logout", data=fields, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert client.post("/logout", data=fields, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("body", [b"token=\xff", b"&".join(b"a%d=1" % number for number in range(300))])
def test_a_form_that_cannot_be_read_is_refused(client: TestClient, body: bytes) -> None:
    log_in(client, name="ana")
    response = client.post("/logout", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (response.status_code, SESSION in client.cookies) == (400, True)


def called(dependant: Dependant) -> Iterator[object]:
    """Every dependency, also of dependencies."""
    for inner in dependant.dependencies:
        yield inner.call
        yield from called(inner)


def test_every_form_checks_its_token() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    forms = [route for route in routes if is_page(route.path) and route.methods != {"GET"}]
    assert forms
    assert [route.path for route in forms if posted not in called(route.dependant)] == []
