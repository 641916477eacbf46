"""`/thumbs.js`: thumbs for the answers on a page of an application."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from serving.errors import responses

SCRIPT = Path(__file__).with_name("thumbs.js")

router = APIRouter(tags=["feedback"])


@router.get(
    "/thumbs.js",
    response_class=Response,
    responses={
        200: {"content": {"text/javascript": {"schema": {"type": "string"}}}, "description": "The script."},
        **responses(500),
    },
)
async def thumbs() -> Response:
    """Give the script that puts thumbs under answers."""
    return Response(SCRIPT.read_bytes(), media_type="text/javascript")
