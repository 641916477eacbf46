"""A client for Python programs: ask, and say what people think of the answers.

with RoundsClient("http://127.0.0.1:8000", key=KEY) as rounds:
    answer = rounds.ask("Where is my parcel?", user="ana")
    rounds.give({"response_id": answer.id, "thumb": "up"}, user="ana")
"""

import itertools
import random
import secrets
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

PATIENCE = 60.0
"""Seconds for which feedback is sent again while the server does not acknowledge it; it is stored once."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 16.0
"""Seconds between two attempts: they double. The header `Retry-After` makes them longer."""
PASSING = frozenset({429, 502, 503, 504})
"""Statuses with which another attempt may succeed."""


class NotAcknowledged(Exception):
    """The server did not acknowledge feedback in time: it may or may not be stored."""


def next_wait(attempt: int, left: float, retry_after: str | None, share: float) -> float | None:
    """Seconds to wait after a failed attempt; None if the next one would come too late.

    Args:
        attempt: 0 for the first.
        left: seconds that are left.
        retry_after: the header `Retry-After`: seconds or a date.
        share: 0 to 1, drawn at random, so that many clients do not come back at once.
    """
    own = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * (0.5 + share / 2)
    wait = max(own, _asked_wait(retry_after))
    return wait if wait <= left else None


def _asked_wait(retry_after: str | None) -> float:
    """The seconds of `Retry-After`; 0 if it says nothing that can be understood."""
    if retry_after is None:
        return 0.0
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0


class ClientAnswer(NamedTuple):
    """An answer."""

    id: str
    """Feedback names the answer by it."""
    text: str
    version: str


class RoundsClient:
    """Talks to a server; a context manager."""

    def __init__(
        self, address: str, key: str | None = None, timeout: float = 120.0, patience: float = PATIENCE
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._patience = patience
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

    def give(self, *records: dict[str, Any], user: str | None = None, key: str | None = None) -> list[dict[str, Any]]:
        """Send feedback, for a minute until it is acknowledged; the result of each record (docs/serving.md).

        Args:
            records: forms of feedback.
            user: who gives it.
            key: names these records: sent again with it, they are stored once. Drawn at random by default.

        Raises:
            NotAcknowledged: the server did not acknowledge it; the message has the key with which to send it again.
            httpx.HTTPError: the server refuses.
        """
        key = key or secrets.token_hex(16)
        body = {"feedback": list(records)} | ({"user": user} if user is not None else {})
        results: list[dict[str, Any]] = self._acknowledged(body, key).raise_for_status().json()["results"]
        return results

    def _acknowledged(self, body: dict[str, Any], key: str) -> httpx.Response:
        end = time.monotonic() + self._patience
        for attempt in itertools.count():
            try:
                response = self._http.post("/v1/feedback", json=body, headers={"Idempotency-Key": key})
                if response.status_code not in PASSING:
                    return response
                problem, retry_after = f"status {response.status_code}", response.headers.get("retry-after")
            except httpx.TransportError as error:
                problem, retry_after = str(error) or type(error).__name__, None
            wait = next_wait(attempt, end - time.monotonic(), retry_after, random.random())
            if wait is None:
                break
            time.sleep(wait)
        raise NotAcknowledged(
            f"the server did not acknowledge the feedback for {self._patience:g} s ({problem}); give it again later "
            f"with key={key!r}, with which it is stored once"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
