"""`/assets/…`: the style and the scripts of all pages: files of this package, and the computed style of rows."""

import hashlib
from pathlib import Path, PurePath

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.errors import ApiError
from serving.pages import alignment

FOLDER = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript"}

ROWS = "rows.css"
"""The style of the rows that two answers take, which is computed."""

router = APIRouter(include_in_schema=False)


@router.get("/assets/{name}")
async def asset(name: str, request: Request) -> Response:
    """Give one file. A browser asks each time whether it has changed, so that an update shows at once."""
    content = _content(name)
    if content is None:
        raise ApiError(404, "there is no such file; open the page again")
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=TYPES[PurePath(name).suffix], headers=headers)


def _content(name: str) -> bytes | None:
    """The content of a file; None if there is no such file."""
    if name == ROWS:
        return alignment.style().encode()
    files = {file.name: file for file in FOLDER.iterdir() if file.suffix in TYPES}
    return files[name].read_bytes() if name in files else None
