"""What a form of a page sends: fields as text, from a page of this server only."""

import hmac
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from serving.errors import ApiError
from serving.pages.visitors import SESSION, form_token

LOGIN = "rounds_login"
"""The cookie with a random secret for the form with which a person logs in, before there is a session."""

MOST_FIELDS = 200

FormFields = dict[str, str]
"""Name → text; of a name that comes twice, the last."""


async def posted(request: Request) -> FormFields:
    """The fields of a form, with the line breaks that text has here.

    Raises:
        ApiError: the form is not from a page of this server or its session has ended (403), or it cannot be read (400).
    """
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise ApiError(400, "the form cannot be read; open the page again") from error
    fields = {name: text.replace("\r\n", "\n") for name, text in pairs}
    secret = request.cookies.get(SESSION) or request.cookies.get(LOGIN) or ""
    given = fields.pop("token", "").encode()
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if foreign or not secret or not hmac.compare_digest(given, form_token(secret).encode()):
        raise ApiError(403, "the form is not from this session; open the page again, log in, and repeat it")
    return fields


Posted = Annotated[FormFields, Depends(posted)]
