"""A browser without JavaScript: it opens pages, and sends the forms that they have."""

import re
from html.parser import HTMLParser

from httpx2 import Response
from starlette.testclient import TestClient


class Forms(HTMLParser):
    """The forms of a page: by their path, the fields that are filled in already."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._now: dict[str, str] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._now = self.found.setdefault(given.get("action", ""), {})
        if tag == "input" and "name" in given and given.get("type") == "hidden":
            self._now[given["name"]] = given.get("value", "")


def submit(client: TestClient, page: Response, path: str, **fields: str) -> Response:
    """Send the form of a page that goes to a path, and open where it leads."""
    return client.post(path, data=Forms(page.text).found[path] | fields)


def log_in(client: TestClient, **fields: str) -> Response:
    """Log in with a `key`, or with a `name`."""
    return submit(client, client.get("/login"), "/login", **fields)


def heading(page: Response) -> str:
    """The main heading."""
    [text] = re.findall(r"<h1[^>]*>(.*?)</h1>", page.text, re.DOTALL)
    return str(text).strip()


def default_button(page: Response, form: str) -> dict[str, str] | None:
    """The attributes of the button that Enter in a form presses: the first one that belongs to it; None without one."""

    class Buttons(HTMLParser):
        first: dict[str, str] | None = None
        inside = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = {name: value or "" for name, value in attrs}
            if tag == "form":
                self.inside = given.get("id", "")
            own = given.get("form", self.inside) == form and given.get("type", "submit") == "submit"
            if tag == "button" and own and self.first is None:
                self.first = given

        def handle_endtag(self, tag: str) -> None:
            if tag == "form":
                self.inside = ""

    parser = Buttons()
    parser.feed(page.text)
    return parser.first
