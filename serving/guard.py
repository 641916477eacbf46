"""What every request passes: its host, its size and its content type; and what every response carries.

Cross-origin requests are not allowed: no response has a header of CORS, and a body has to be JSON, which a browser does
not send to another origin without asking. Pages take forms instead, which have a token (`serving/pages/forms.py`).
"""

import time
from collections.abc import Callable, Collection, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import ApiError, Respond
from serving.metrics import ServingMetrics

HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""Headers of every response that does not set them itself."""

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

BROKEN_OFF = 499
"""Status, in metrics alone, of a request whose sender was gone before the end of its body: nobody gets a response."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class RequestGuard:
    """Refuses requests before they reach a route, and counts them."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: ServingMetrics,
        most_bytes: int,
        takes_forms: Callable[[str], bool],
        respond: Respond,
        hosts: Collection[str] | None = None,
    ) -> None:
        """Wrap an app.

        Args:
            app: what answers the requests that pass.
            metrics: counts them.
            most_bytes: the largest body.
            takes_forms: whether a path takes forms; others take JSON.
            respond: makes the response of a refusal.
            hosts: names in the header `Host`, without ports; None accepts any.
        """
        self._app, self._metrics, self._most, self._hosts = app, metrics, most_bytes, hosts
        self._takes_forms, self._respond = takes_forms, respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._guarded(scope, receive, sending)
        except ClientDisconnect:
            status = BROKEN_OFF
        finally:
            route = _route(scope)
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.monotonic() - began)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            body = await self._body(receive)
            if body is not None:
                await self._app(scope, _replaying(body, receive), send)
                return
            refusal = self._too_large()
        await self._respond(HTTPConnection(scope), refusal)(scope, receive, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None if it is too large. No route could begin to use it before its end.

        Raises:
            ClientDisconnect: the connection ended before the body: what came may be half of what was said.
        """
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
            if size > self._most:
                return None
        return b"".join(parts)

    def _refusal(self, scope: MutableMapping[str, Any], headers: Headers) -> ApiError | None:
        host = (
            headers.get("host", "").rpartition(":")[0]
            if _has_port(headers.get("host", ""))
            else headers.get("host", "")
        )
        if self._hosts is not None and host.lower() not in self._hosts:
            return ApiError(421, f"this server is not {host[:100]!r}; add the name to `hosts` in serving.yaml")
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._most:
            return self._too_large()
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = length != "0" or "transfer-encoding" in headers
        form = self._takes_forms(scope["path"])
        if scope["method"] in ("POST", "PUT", "PATCH") and has_body and kind != (FORM if form else JSON):
            expected = "a form" if form else "JSON"
            return ApiError(415, f"the body has to be {expected}; send `Content-Type: {FORM if form else JSON}`")
        return None

    def _too_large(self) -> ApiError:
        return ApiError(
            413, f"the request has more than {self._most:,} bytes; shorten it, or divide it", code="request_too_large"
        )


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and not host.endswith("]") and ":" in host


def _route(scope: Scope) -> str:
    """The path of the route as it is declared, so that a metric has few of them; `other` for an unknown one."""
    return str(getattr(scope.get("route"), "path", "other"))


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read, and then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
