"""A client for Python programs: ask, and say what people think of the answers.

with RoundsClient("http://127.0.0.1:8000", key=KEY) as rounds:
    answer = rounds.ask("Where is my parcel?", user="ana")
    rounds.give({"response_id": answer.id, "thumb": "up"}, user="ana")
"""

import secrets
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

TRIES = 4
"""Attempts to send feedback while the server does not answer; sent again, it is stored once."""


class ClientAnswer(NamedTuple):
    """An answer."""

    id: str
    """Feedback names the answer by it."""
    text: str
    version: str


class RoundsClient:
    """Talks to a server; a context manager."""

    def __init__(self, address: str, key: str | None = None, timeout: float = 120.0) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout)

    def ask(self, prompt: str | list[dict[str, str]], **fields: Any) -> ClientAnswer:
        """One answer to a text, or to a conversation. `fields` are others of the request, such as `user` and `seed`.

        Raises:
            httpx.HTTPError: the server does not answer, or refuses.
        """
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        response = self._http.post("/v1/chat/completions", json={"messages": messages, **fields}).raise_for_status()
        body = response.json()
        return ClientAnswer(body["id"], body["choices"][0]["message"]["content"], body["model"])

    def give(self, *records: dict[str, Any], user: str | None = None) -> list[dict[str, Any]]:
        """Send feedback, again if the server does not answer; the result of each record (docs/serving.md).

        Raises:
            httpx.HTTPError: the server refuses, or never answers.
        """
        body = {"feedback": list(records)} | ({"user": user} if user is not None else {})
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        for wait in (*(0.5 * 2**number for number in range(TRIES - 1)), None):
            try:
                response = self._http.post("/v1/feedback", json=body, headers=headers)
                if response.status_code not in (429, 503) or wait is None:
                    break
            except httpx.TransportError:
                if wait is None:
                    raise
            time.sleep(wait or 0.0)
        results: list[dict[str, Any]] = response.raise_for_status().json()["results"]
        return results

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
