"""`/assets/…`: the style and the scripts of all pages, which are files of this package."""

import hashlib
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.errors import ApiError

FOLDER = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript"}

router = APIRouter(include_in_schema=False)


@router.get("/assets/{name}")
async def asset(name: str, request: Request) -> Response:
    """Give one file. A browser asks each time whether it has changed, so that an update shows at once."""
    files = {file.name: file for file in FOLDER.iterdir() if file.suffix in TYPES}
    if name not in files:
        raise ApiError(404, "there is no such file; open the page again")
    content = files[name].read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=TYPES[files[name].suffix], headers=headers)
