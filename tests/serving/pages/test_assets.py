"""The style and the scripts."""

import re

import pytest
from starlette.testclient import TestClient

from serving.pages.alignment import style
from serving.pages.assets import FOLDER

SCRIPTS = [file.name for file in FOLDER.glob("*.js")]


def test_an_asset_is_given_once_and_then_compared(client: TestClient) -> None:
    first = client.get("/assets/pages.css")
    assert (first.status_code, first.headers["content-type"]) == (200, "text/css; charset=utf-8")
    second = client.get("/assets/pages.css", headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.content) == (304, b"")


def test_the_style_of_rows_is_computed(client: TestClient) -> None:
    answer = client.get("/assets/rows.css")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert answer.text == style()


@pytest.mark.parametrize("name", ["nothing.css", "..%2Fassets.py", "%2Fetc%2Fpasswd", ".", "pages.css%00"])
def test_only_the_files_of_the_folder_are_given(client: TestClient, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code in (404, 303)
    assert "root:" not in client.get(f"/assets/{name}").text


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_no_text(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|document\.write|eval\(|Function\(|document\.cookie", text)
