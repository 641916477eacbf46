"""What all pages share: the one way to render them, their headers, and which paths they have."""

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse, Response
from starlette.requests import HTTPConnection

from serving.errors import ApiError
from serving.pages.markdown import as_html, as_text, verbatim
from tasks.pages.html import render

if TYPE_CHECKING:
    from serving.pages.visitors import Visitor

TEMPLATES = Path(__file__).parent / "templates"

ROOTS = frozenset({"", "login", "logout", "assets", "label", "dashboard", "chat"})
"""First parts of the paths that are pages: they take forms and answer errors with a page; others are JSON."""

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",  # with `no-referrer`, a browser would state no origin of a form
    "cache-control": "no-store",
}
"""Of a page; the others are those of every response."""

FILTERS = {"markdown": as_html, "text": as_text, "verbatim": verbatim}
"""For answers, for what people said, and for fields in which a text is edited."""

TITLES = {
    400: "This cannot be used",
    401: "Log in first",
    403: "This is not for you",
    404: "There is no such page",
    405: "There is no such page",
    409: "Somebody was faster",
    413: "This is too long",
    415: "This cannot be used",
    421: "This is another server",
    429: "Too many requests",
    500: "The server failed",
    503: "Not available now",
}
"""HTTP status → the heading of its page."""

NAMELESS = frozenset({HTTPStatus.NOT_FOUND.phrase, HTTPStatus.METHOD_NOT_ALLOWED.phrase})
NO_PAGE = "Nothing is at this address, or it cannot be opened like this. Go to the first page."
"""In place of what the router says."""

AGAIN = frozenset({429, 503})
"""Statuses after which the same request may succeed later."""


def is_page(path: str) -> bool:
    """Whether a path is one of a page."""
    return path.removeprefix("/").partition("/")[0] in ROOTS


def page(template: str, visitor: "Visitor | None", title: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page.

    Args:
        template: name of a file in `templates/`, which extends `base.html.jinja`.
        visitor: who looks at it; None shows no navigation.
        title: of the page, in plain text.
        status: the HTTP status.
        values: for the template. Every text is escaped, and a long one is cut; see `FILTERS` for texts that people read
            or edit as a whole.
    """
    content = render(TEMPLATES / template, FILTERS, visitor=visitor, title=title, **values)
    return HTMLResponse(content, status, HEADERS)


def respond(connection: HTTPConnection, error: ApiError) -> Response:
    """An error in the form of its path: a page with what to do, or JSON."""
    if not is_page(connection.url.path):
        return error.response()
    response = page(
        "problem.html.jinja",
        getattr(connection.state, "visitor", None),
        TITLES[error.status],
        error.status,
        message=NO_PAGE if error.message in NAMELESS else error.message,
        again=error.status in AGAIN,
    )
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response
