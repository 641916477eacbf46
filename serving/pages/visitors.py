"""Who looks at a page: a person with a session, which a cookie names.

A server without keys asks for a name only, so that what the person says is theirs.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, NamedTuple
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from feedback.store.keys import KeyRole
from serving.access import ANYBODY, Caller
from serving.context import serving_of
from serving.errors import ApiError
from serving.pages import frame

SESSION = "rounds_session"
"""The cookie with the token of a session."""


class Visitor(NamedTuple):
    """A person who has logged in."""

    caller: Caller
    """With the role of the key; on a server without keys, one who may do everything."""
    person: str
    """The name of the person, for people."""
    annotator: str
    """The id under which what the person says is stored."""
    form_token: str
    """Every form has it in the field `token`: a page of another site does not know it."""

    @property
    def operates(self) -> bool:
        """Whether the person runs the workspace."""
        return self.caller.role == "operator"


class LoginNeeded(Exception):
    """There is no session, or it has ended."""


def visiting(*roles: KeyRole) -> Callable[[Request], Awaitable[Visitor]]:
    """A dependency of a page: the person, who has one of these roles.

    The dependency raises:
        LoginNeeded: nobody has logged in.
        ApiError: the role is another one (403), too many requests came (429), or the database does not answer (503).
    """

    async def visits(request: Request) -> Visitor:
        visitor = await visitor_of(request)
        if visitor is None:
            raise LoginNeeded
        request.state.visitor = visitor  # for the page of an error
        # by the name of the key; without keys by the person, so that programs leave people their own allowance
        serving_of(request).gatekeeper.count(visitor.annotator)
        if visitor.caller.role not in roles:
            raise ApiError(
                403,
                f"the key {visitor.person} has the role {visitor.caller.role}, and this page is for "
                f"{' and '.join(roles)} keys; log out, and log in with another key",
            )
        return visitor

    return visits


async def visitor_of(request: Request) -> Visitor | None:
    """Who has logged in; None if nobody has.

    Raises:
        ApiError: the database does not answer.
    """
    from feedback.store import sessions

    token = request.cookies.get(SESSION)
    if not token:
        return None
    now = datetime.now(UTC)
    record = await serving_of(request).storage.run(lambda database: sessions.find(database, token, now))
    if record is None:
        return None
    if record.role is None:
        return Visitor(ANYBODY, record.person, ANYBODY.annotator(record.person), form_token(token))
    caller = Caller(record.person, record.role)
    return Visitor(caller, record.person, caller.annotator(None), form_token(token))


def form_token(secret: str) -> str:
    """The token of forms for whoever has a secret cookie; nobody can compute the cookie from it."""
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


def to_login(request: Request, _: Exception) -> Response:
    """Lead to the login, and from there back to the page.

    A browser keeps the cookie to itself when a link on another site is followed. The page that it gets then opens
    itself again, which is a request of this site.
    """
    if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        return frame.page("again.html.jinja", None, "Opening the page")
    back = request.url.path if request.method == "GET" else "/"
    return RedirectResponse(f"/login?next={quote(back)}", 303)


Annotating = Annotated[Visitor, Depends(visiting("annotator", "operator"))]
Operating = Annotated[Visitor, Depends(visiting("operator"))]
