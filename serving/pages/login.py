"""`/login`, `/logout` and `/`: a session for a key, or for a name while there are no keys."""

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from feedback.forgotten import pseudonym
from serving.access import ANYBODY, Caller
from serving.context import serving_of
from serving.names import is_name
from serving.pages.forms import LOGIN, FormFields, Posted
from serving.pages.frame import is_page, page
from serving.pages.visitors import SESSION, Annotating, form_token, visitor_of
from tasks.state import tombstones
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.database import Database
    from feedback.store.keys import KeyRecord

LONGEST_NAME = 100
HOUR = 3600

router = APIRouter(include_in_schema=False)


class Admission(NamedTuple):
    """What came of an attempt to log in: the token of a session, or why there is none."""

    token: str | None
    problem: str = ""


@router.get("/")
async def home(visitor: Annotating) -> Response:
    """Lead to the page of whoever has logged in."""
    return RedirectResponse(_home(), 303)


@router.get("/login")
async def login(request: Request, next: str = "/") -> Response:
    """Ask for a key, or for a name."""
    if await visitor_of(request) is not None:
        return RedirectResponse(_own(next), 303)
    return await _form(request, _own(next))


@router.post("/login")
async def log_in(request: Request, fields: Posted) -> Response:
    """Begin a session."""
    serving, back = serving_of(request), _own(fields.get("next", "/"))
    admission = await serving.storage.run(lambda database: _admitted(serving.workspace, database, fields))
    if admission.token is None:
        return await _form(request, back, admission.problem)
    from feedback.store.sessions import LIFE

    response = RedirectResponse(back, 303)
    _set_cookie(request, response, SESSION, admission.token, int(LIFE.total_seconds()))
    response.delete_cookie(LOGIN)
    return response


@router.post("/logout")
async def log_out(request: Request, _: Posted) -> Response:
    """End the session."""
    from feedback.store import sessions

    token = request.cookies.get(SESSION, "")
    await serving_of(request).storage.run(lambda database: sessions.end(database, token))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION)
    return response


def _admitted(workspace: Workspace, database: "Database", fields: FormFields) -> Admission:
    from feedback.store import keys

    if keys.exist(database):
        record = keys.check(database, fields.get("key", "").strip())
        if record is None:
            return Admission(None, "This key is not valid. Copy the whole line that `rounds keys make` printed.")
        if record.role == "client":
            return Admission(None, f"The key {record.name} is that of an application, which has no pages.")
        return _begun(workspace, database, record, record.name)
    name = fields.get("name", "").strip()
    if not is_name(name, LONGEST_NAME):
        return Admission(None, f"Type a name of 1 to {LONGEST_NAME} letters, digits and other visible characters.")
    return _begun(workspace, database, None, name)


def _begun(workspace: Workspace, database: "Database", key: "KeyRecord | None", person: str) -> Admission:
    """A session, unless the person is forgotten.

    That is looked up afterwards: whoever forgets the person notes that first, and ends the sessions then.
    """
    from feedback.store import sessions

    token = sessions.begin(database, key, person, datetime.now(UTC))
    annotator = ANYBODY.annotator(person) if key is None else Caller(key.name, key.role).annotator(None)
    if pseudonym(annotator) in tombstones.forgotten(workspace):
        sessions.erase(database, annotator, write=True)
        return Admission(None, f"{person} was forgotten, and stays so. Log in under another name.")
    return Admission(token)


async def _form(request: Request, back: str, problem: str = "") -> Response:
    from feedback.store import keys

    with_key = await serving_of(request).storage.run(keys.exist)
    secret = request.cookies.get(LOGIN) or secrets.token_urlsafe(32)
    status = 403 if problem else 200
    values = {"with_key": with_key, "problem": problem, "next": back, "token": form_token(secret)}
    response = page("login.html.jinja", None, "Log in", status, **values)
    _set_cookie(request, response, LOGIN, secret, HOUR)
    response.delete_cookie(SESSION)  # one that has ended
    return response


def _home() -> str:
    return "/label"


def _own(path: str) -> str:
    """The path, if it is one of a page here; else that of the first page."""
    parts = urlsplit(path)
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return parts.path if is_own and is_page(parts.path) else "/"


def _set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    """A cookie that no script can read, and that no other site makes the browser send."""
    behind_tls = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=behind_tls)
