"""Errors, in the form that OpenAI's clients understand unless a page is asked for."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from core.shown import shortened
from models.concurrent import QueueFull

_logger = logging.getLogger(__name__)

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    421: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "service_unavailable_error",
}
"""HTTP status → the type of the error."""

LONGEST = 300
"""Characters of a given value in a message."""


class ErrorBody(BaseModel):
    """What an error says."""

    message: str
    type: str
    param: str | None = None
    """The parameter that is wrong, dotted."""
    code: str | None = None


class ErrorAnswer(BaseModel):
    """The body of a response that is an error."""

    error: ErrorBody


class ApiError(Exception):
    """An error for the client."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """An error.

        Args:
            status: the HTTP status.
            message: what is wrong, and what to do.
            param: the parameter that is wrong.
            code: a word for programs.
            retry_after: seconds after which another try may succeed.
        """
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.retry_after = status, message, param, code, retry_after

    def body(self) -> ErrorAnswer:
        """What the client is told."""
        return ErrorAnswer(
            error=ErrorBody(message=self.message, type=TYPES[self.status], param=self.param, code=self.code)
        )

    def response(self) -> JSONResponse:
        """The response."""
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return JSONResponse(self.body().model_dump(), self.status, headers)


Respond = Callable[[HTTPConnection, ApiError], Response]
"""Makes the response of an error, which depends on who asked: a program or a browser."""


def unavailable(message: str, code: str, retry_after: int = 5) -> ApiError:
    """An error that passes by itself."""
    return ApiError(503, message, code=code, retry_after=retry_after)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for the OpenAPI description."""
    return {status: {"model": ErrorAnswer, "description": TYPES[status]} for status in statuses}


def install(app: FastAPI, respond: Respond) -> None:
    """Answer all errors with the response that `respond` makes of them."""

    def of_api(request: Request, error: Exception) -> Response:
        return respond(request, error if isinstance(error, ApiError) else _broken(error))

    def of_queue(request: Request, error: Exception) -> Response:
        return respond(request, unavailable(str(error), "queue_full"))

    def of_request(request: Request, error: Exception) -> Response:
        problems = error.errors() if isinstance(error, RequestValidationError) else []
        return respond(request, invalid(problems))

    def of_route(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            return respond(request, _broken(error))
        status = error.status_code if error.status_code in TYPES else 400
        answer = respond(request, ApiError(status, str(error.detail)))
        answer.headers.update(error.headers or {})
        return answer

    async def of_bug(request: Request, error: Exception) -> Response:
        return respond(request, _broken(error))

    handlers: list[tuple[type[Exception], Callable[[Request, Exception], Response | Awaitable[Response]]]] = [
        (ApiError, of_api),
        (QueueFull, of_queue),
        (RequestValidationError, of_request),
        (HTTPException, of_route),
        (Exception, of_bug),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def invalid(problems: Sequence[Mapping[str, Any]]) -> ApiError:
    """The first problem of a request that does not have the form of its schema."""
    if not problems:
        return ApiError(400, "the request is invalid; see /openapi.json for its form")
    first = problems[0]
    name = ".".join(str(part) for part in first["loc"][1:] if _is_name(part)) or None
    if first["type"] == "json_invalid":
        return ApiError(400, "the body is not JSON; send a JSON object", code="invalid_json")
    if first["type"] == "extra_forbidden":
        return ApiError(400, f"unknown parameter {name!r}; leave it out", name, "unknown_parameter")
    message = shortened(str(first["msg"]).removeprefix("Value error, "), LONGEST)
    return ApiError(400, f"{name}: {message}" if name else message, name, "invalid_value")


def _is_name(part: object) -> bool:
    """Whether a part of a place is a field or an index, and not one of the alternatives of a field."""
    return isinstance(part, int) or str(part).isidentifier()


def _broken(error: Exception) -> ApiError:
    """A bug: the client is not told what, the log is."""
    _logger.error("a request failed", exc_info=error)
    return ApiError(500, "the server failed to answer; its log has the reason", code="internal_error")
