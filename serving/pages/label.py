"""`/label`: tasks for a person who judges."""

from fastapi import APIRouter
from fastapi.responses import Response

from serving.pages.frame import page
from serving.pages.visitors import Annotating

router = APIRouter(include_in_schema=False)


@router.get("/label")
async def label(visitor: Annotating) -> Response:
    """Show the next task."""
    return page("label.html.jinja", visitor, "Label")
