"""The script for thumbs. A browser runs it in tests/services."""

import re

from starlette.testclient import TestClient


def test_the_script_is_given_as_javascript(client: TestClient) -> None:
    response = client.get("/thumbs.js")
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "data-response-id" in response.text


def test_it_writes_no_html_and_runs_no_text(client: TestClient) -> None:
    text = client.get("/thumbs.js").text
    assert not re.search(r"innerHTML|outerHTML|document\.write|eval\(|Function\(|document\.cookie|localStorage", text)
