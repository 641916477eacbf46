"""`/health/live`, `/health/ready` and `/metrics`: for supervisors and for Prometheus."""

import logging
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from serving.access import GivenKey, Operator
from serving.context import Serving, serving_of
from serving.errors import responses
from serving.storage import PROBED

TEXT = "text/plain; version=0.0.4; charset=utf-8"

UNAVAILABLE = "unavailable"
"""In place of a reason, for whoever is no operator."""

router = APIRouter(tags=["operation"])

_logger = logging.getLogger(__name__)


class Liveness(BaseModel):
    """The process runs."""

    live: bool = True


class Readiness(BaseModel):
    """Whether requests can be answered. Only operators see reasons: they may contain addresses and paths."""

    ready: bool
    version: str | None
    """The version that answers."""
    following: str
    """`ok`, or why it is not the version that the alias names."""
    database: str
    """`ok`, or why answers and feedback cannot be stored."""
    model: str
    """`ok`, or why it cannot be asked."""


@router.get("/health/live", responses=responses(500))
async def live() -> Liveness:
    """Say that the process runs."""
    return Liveness()


@router.get("/health/ready", response_model=Readiness, responses={503: {"model": Readiness}, **responses(500)})
async def ready(serving: Annotated[Serving, Depends(serving_of)], key: GivenKey) -> JSONResponse:
    """Say whether requests can be answered: a version is loaded, its model works, and the database answers."""
    state, model = serving.follower.state, serving.follower.model_problem
    try:
        database = await serving.storage.problem()
        seen = any((state.problem, model, database)) and await serving.gatekeeper.is_operator(key)
    except TimeoutError:
        database, seen = f"no answer within {PROBED:.0f} s", False  # nor does it answer whose key this is
        _logger.warning("the feedback database: %s; see whether its server hangs", database)

    def told(problem: str | None) -> str:
        return "ok" if problem is None else problem if seen else UNAVAILABLE

    readiness = Readiness(
        ready=state.champion is not None and database is None and model is None,
        version=state.champion,
        following=told(state.problem),
        database=told(database),
        model=told(model),
    )
    return JSONResponse(readiness.model_dump(), 200 if readiness.ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "All metrics."},
        **responses(401, 403, 429, 500, 503),
    },
)
async def metrics(_: Operator, serving: Annotated[Serving, Depends(serving_of)]) -> Response:
    """Give all metrics to Prometheus."""
    return Response(serving.metrics.text(), media_type=TEXT)
