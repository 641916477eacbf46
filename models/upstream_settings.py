"""Where a server with OpenAI's interface is that writes answers, and whether it has a version: `upstream` in
serving.yaml."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import httpx
from pydantic import BeforeValidator, Field, model_validator

from core.errors import RoundsError
from core.settings import BaseSettings
from core.shown import shortened
from models.model_server import ModelServer, ServerFailure, bearer

KEY = "ROUNDS_UPSTREAM_KEY"
"""The environment variable with a secret for the server, which is sent as `Authorization: Bearer`."""

CONNECT = 5.0
"""Seconds to connect."""

LOADED = httpx.Timeout(60.0, connect=CONNECT)
"""For a request to load or to forget an adapter."""

LISTED = httpx.Timeout(12.0, connect=CONNECT)
"""For the list of models: a server of this project waits 10 s for its registry."""

SHOWN = 300
"""Characters of a response that a message quotes."""

DIGITS = 12
"""Of a digest, in names."""

_PASSES = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses of failures that may pass by themselves."""


class NoUpstream(RoundsError):
    """The server that is to write answers does not answer, or not in OpenAI's form."""

    def __init__(self, message: str, reason: str, by_request: bool = False) -> None:
        """An error.

        Args:
            message: what is wrong, and what to do, with the address, which only operators are told.
            reason: what the server does, for everybody.
            by_request: whether only this request is refused.
        """
        super().__init__(message)
        self.reason, self.by_request = reason, by_request


def _by_text(value: object) -> object:
    """Numbers of versions as texts: YAML has them as numbers."""
    return {str(key): name for key, name in value.items()} if isinstance(value, Mapping) else value


class UpstreamSettings(BaseSettings):
    """A server with OpenAI's interface that writes the answers."""

    url: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$")
    """Its address, as OpenAI's clients take it: with `/v1`. A secret for it is read from ROUNDS_UPSTREAM_KEY."""
    model: str = Field("policy/{version}", pattern=r"^[^{}]*\{(version|digest)\}([^{}]|\{version\}|\{digest\})*$")
    """The name of a version there; `{version}` is its number, `{digest}` the first 12 digits of the digest of its
    files."""
    models: Annotated[dict[str, str], BeforeValidator(_by_text)] = Field({})
    """Number of a version → its name there, where that is another one."""
    adapters: str | None = Field(None, pattern="^/")
    """A folder that the other server reads under the same path. Versions that are adapters are written there, and
    handed over to a vLLM server when it does not have them; null: they are loaded there by hand."""
    patience: float = Field(60.0, gt=0)
    """Seconds without a new piece of an answer after which it is given up."""

    @model_validator(mode="after")
    def _named_by_content(self) -> "UpstreamSettings":
        if self.adapters and "{digest}" not in self.model:
            raise ValueError("`adapters` needs `{digest}` in `model`: vLLM mistakes a new adapter for one of its name")
        return self

    def name_of(self, version: str, digest: str) -> str:
        """The name of a version there."""
        known = self.models.get(version)
        return known or self.model.replace("{version}", version).replace("{digest}", digest[:DIGITS])

    def server(self, patience: httpx.Timeout) -> ModelServer:
        """The server; its errors are `NoUpstream`. To be closed."""
        http = httpx.Client(base_url=self.url, headers=bearer(KEY), timeout=patience)
        return ModelServer(http, self.failed)

    def listed(self) -> list[str]:
        """The names of what the server can be asked.

        Raises:
            NoUpstream: it does not say so.
        """
        with self.server(LISTED) as server:
            return server.models()

    def failed(self, failure: ServerFailure) -> NoUpstream:
        """The error that the server did something else than answer."""
        if failure.status is None:
            return away(self, failure.reason)
        shown = shown_bytes(failure.content)
        if not failure.is_form:
            return refused(self, failure.status, shown)
        return trouble(
            self,
            f"lists no models under /models, but says {shown}",
            "correct the address in serving.yaml: OpenAI's clients take one that ends with /v1",
        )

    def check(self, version: str, digest: str) -> str:
        """The name of a version there, after the server has listed it.

        Raises:
            NoUpstream: it does not answer, or does not know the version.
        """
        name, listed = self.name_of(version, digest), self.listed()
        if name not in listed:
            raise unknown(self, name, listed)
        return name


def trouble(settings: UpstreamSettings, reason: str, cure: str, by_request: bool = False) -> NoUpstream:
    """The error that a server does something: why, what helps, and whether only this request is refused."""
    return NoUpstream(f"upstream.url={settings.url}: the server {reason}; {cure}", reason, by_request)


def away(settings: UpstreamSettings, reason: str) -> NoUpstream:
    """The error that a server does not answer."""
    return trouble(settings, f"does not answer ({reason})", "start it, or correct the address in serving.yaml")


def unknown(settings: UpstreamSettings, name: str, listed: Sequence[str]) -> NoUpstream:
    """The error that a server does not have a version."""
    names = shortened(", ".join(listed) or "none", SHOWN)
    return trouble(
        settings,
        f"has no model {name!r}, but {names}",
        "load the version there under this name, or set upstream.model or upstream.models in serving.yaml",
    )


def refused(settings: UpstreamSettings, status: int, text: str) -> NoUpstream:
    """The error that a server answers with a status that is none of success."""
    cures = {401: f"put its secret into {KEY}", 403: f"put its secret into {KEY}", 404: "correct serving.yaml"}
    cure = cures.get(status, "try again later" if status in _PASSES else "see its log")
    return trouble(settings, f"answers with status {status}: {text}", cure, by_request=status in (400, 413, 422))


def shown_bytes(text: bytes) -> str:
    """A response, or a part of one, for messages."""
    return repr(shortened(text.decode(errors="replace").strip(), SHOWN))
