"""A server with OpenAI's interface: what it can be asked, and vLLM's requests to load and to forget an adapter.

The sampler (`models.vllm_client`) and the serving app (`models.upstream_settings`) ask such servers. Each says what a
failure means to it, because the cures differ.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from core.errors import RoundsError

Parsed = TypeVar("Parsed", bound=BaseModel)


class ServerFailure(NamedTuple):
    """What a server did in place of answering a request."""

    path: str
    """Of the request."""
    reason: str
    """Why no response came, or what is wrong with the form of the response."""
    status: int | None = None
    """HTTP status of the response; None if none came."""
    content: bytes = b""
    """The response."""

    @property
    def is_form(self) -> bool:
        """Whether the server says that it succeeded, but in another form."""
        return self.status is not None and httpx.codes.is_success(self.status)


class ModelServer:
    """The requests of one server. Methods may be called from any thread."""

    def __init__(self, http: httpx.Client, error: Callable[[ServerFailure], RoundsError]) -> None:
        """Nothing is asked yet.

        Args:
            http: its `base_url` is the address of the interface, with `/v1`; closed with this object.
            error: the error to raise for a failure.
        """
        self._http, self._error = http, error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def models(self) -> list[str]:
        """The names of what the server can be asked. As every method, it raises the error that was given."""
        return listed(self.ask("GET", "models"), self._error)

    def add_adapter(self, name: str, folder: Path) -> None:
        """Let the server load an adapter, in peft's format, from a folder that it can read."""
        self.ask("POST", "load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})

    def remove_adapter(self, name: str) -> None:
        """Let the server forget an adapter."""
        self.ask("POST", "unload_lora_adapter", {"lora_name": name})

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """The response to a request, which has succeeded; `path` is one below `/v1`, or a whole address."""
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise self._error(ServerFailure(error.request.url.path, explained(error))) from error
        if not answer.is_success:
            raise self._error(ServerFailure(answer.url.path, "", answer.status_code, answer.content))
        return answer

    def parsed(self, kind: type[Parsed], answer: httpx.Response) -> Parsed:
        """What a response says."""
        return parsed(kind, answer, self._error)


def listed(answer: httpx.Response, error: Callable[[ServerFailure], RoundsError]) -> list[str]:
    """The names in a response to `GET /v1/models`; the error that is given if there are none."""
    return [model.id for model in parsed(_Models, answer, error).data]


def parsed(kind: type[Parsed], answer: httpx.Response, error: Callable[[ServerFailure], RoundsError]) -> Parsed:
    """What a response says; the error that is given if it was refused or has another form."""
    if not answer.is_success:
        raise error(ServerFailure(answer.url.path, "", answer.status_code, answer.content))
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as problem:
        first = problem.errors()[0]
        missing = ".".join(map(str, first["loc"])) or "JSON"
        failure = ServerFailure(answer.url.path, f"{missing} ({first['msg']})", answer.status_code, answer.content)
        raise error(failure) from problem


def explained(error: Exception) -> str:
    """The class and the message of an error of a connection."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def bearer(variable: str) -> dict[str, str]:
    """The headers with the secret that an environment variable has; none without it."""
    key = os.environ.get(variable)
    return {"Authorization": f"Bearer {key}"} if key else {}


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: Sequence[_Model]
