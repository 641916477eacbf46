"""The client of a reward server (docs/rewards.md): texts go out in batches, scores come back in their order."""

import json
import math
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from typing import NamedTuple

import httpx
from pydantic import Field

from core.errors import RoundsError
from core.settings import BaseSettings
from core.shown import shortened

TOKEN = "ROUNDS_REWARD_TOKEN"
"""The environment variable with a secret for the server, which is sent as `Authorization: Bearer`."""

LONGEST_STATEMENT = 4_000
"""Characters of what a server may state about itself: it is recorded with each round."""

SHOWN = 200
"""Characters of a response that a message quotes."""

_PASSES = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses of failures that may pass by themselves."""

_LONGEST_PAUSE = 60.0
"""Seconds between two attempts at most, whatever the server asks for."""


class NoReward(RoundsError):
    """A reward server does not answer, or not with one finite number for each text."""


class ScoredText(NamedTuple):
    """An answer to be scored."""

    prompt: Sequence[Mapping[str, str]]
    """The turns of the conversation."""
    answer: str
    ended: bool
    """False for an answer that was cut at the token limit."""


class RewardServerSettings(BaseSettings):
    """A reward server, and how it is asked."""

    url: str = Field(pattern=r"^https?://[^\s/]+\S*$")
    """Address that texts are sent to (POST), and that says what the server is (GET). A secret for it is read from
    ROUNDS_REWARD_TOKEN."""
    states: str | None = None
    """What the server has to state about itself, as JSON with sorted keys; null: what it states when the round opens,
    which is recorded here."""
    deterministic: bool = True
    """Refuse a server that gives the same texts other scores. With `false`, a replay of the round differs."""
    batch: int = Field(32, ge=1)
    """Texts of a request."""
    in_flight: int = Field(4, ge=1)
    """Requests at once."""
    timeout: float = Field(60.0, gt=0)
    """Seconds to wait for a response."""
    attempts: int = Field(5, ge=1)
    """Attempts of a request that gets no response, or one with a status such as 429 or 503."""
    pause: float = Field(1.0, ge=0)
    """Seconds before the second attempt; before each further one, twice as long."""

    def check(self) -> None:
        """Check that the server answers, states what it has to, and gives finite scores, the same each time.

        Raises:
            NoReward: it does not.
        """
        with closing(RewardServer(self)) as server:
            if self.states is not None and (now := server.statement()) != self.states:
                raise NoReward(
                    f"policy.reward.url={self.url}: the reward server states {now}, expected {self.states}; start the "
                    "one that the round was opened with, or open the round again for this one with `rounds round "
                    "--reopen`"
                )
            server.probe()


PROBE = (
    ScoredText(({"role": "user", "content": "Say hello."},), "Hello! How can I help?", ended=True),
    ScoredText(({"role": "user", "content": "Say hello."},), "", ended=True),
    ScoredText(({"role": "user", "content": "Count to three."},), "One, two, thr", ended=False),
)
"""What a server is tried with before a round: an answer, an empty one, and one that was cut, as training has them."""


class RewardServer:
    """A reward server. `close` frees its connections."""

    def __init__(self, knobs: RewardServerSettings) -> None:
        """Nothing is asked yet."""
        self._url, self._knobs = knobs.url, knobs
        token = os.environ.get(TOKEN)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=knobs.timeout, headers=headers)
        self._stopped = threading.Event()

    def statement(self) -> str:
        """What the server states about itself, as JSON with sorted keys; `{}` if it has no such page.

        Raises:
            NoReward: it does not answer, or with something else than an object, or one that is too long.
        """
        response = self._answer("GET", None)
        if response.status_code in (404, 405):
            return "{}"
        if response.status_code != 200:
            raise self._refused(response)
        values = self._object(response)
        text = json.dumps(values, sort_keys=True, ensure_ascii=False)
        if len(text) > LONGEST_STATEMENT:
            raise self._wrong(f"states {len(text):,} characters about itself", f"at most {LONGEST_STATEMENT:,}")
        return text

    def scores(self, texts: Sequence[ScoredText]) -> list[float]:
        """The score of each text, in their order.

        Raises:
            NoReward: a request failed as often as it may, or a response is not one finite number for each text. The
                other requests are given up.
        """
        self._stopped.clear()
        parts = [texts[start : start + self._knobs.batch] for start in range(0, len(texts), self._knobs.batch)]
        with ThreadPoolExecutor(self._knobs.in_flight, "reward") as threads:
            futures = [threads.submit(self._scored, part) for part in parts]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            if failed := next((future for future in done if future.exception()), None):
                self._stopped.set()
                threads.shutdown(wait=False, cancel_futures=True)
                failed.result()
            return [score for future in futures for score in future.result()]

    def probe(self) -> None:
        """Try the server with a few texts.

        Raises:
            NoReward: see `scores`; or the scores differ.
        """
        first = self.scores(PROBE)
        if not self._knobs.deterministic:
            return
        second = self.scores(PROBE[::-1])[::-1]
        if not all(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6) for a, b in zip(first, second, strict=True)):
            raise NoReward(
                f"policy.reward.url={self._url}: the same three texts in reverse order got other scores "
                f"({_listed(first)}, then {_listed(second)}), so a round could not be repeated; correct the server, so "
                "that it scores each text by itself and in the order of the request, or allow this: use -S "
                "policy.reward.deterministic=false"
            )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _scored(self, texts: Sequence[ScoredText]) -> list[float]:
        body = {"texts": [{"prompt": list(text.prompt), "answer": text.answer, "ended": text.ended} for text in texts]}
        response = self._answer("POST", body)
        if response.status_code != 200:
            raise self._refused(response)
        scores = self._object(response).get("scores")
        if not isinstance(scores, list) or len(scores) != len(texts):
            found = f"{len(scores)} scores" if isinstance(scores, list) else "no list `scores`"
            raise self._wrong(f"answered with {found}", f"{len(texts)}, one for each text")
        for place, score in enumerate(scores):
            if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
                raise self._wrong(f"gave text {place} of {len(texts)} the score {score!r}", "a finite number")
        return [float(score) for score in scores]

    def _answer(self, method: str, body: Mapping[str, object] | None) -> httpx.Response:
        """The response to a request, which is repeated while it fails in a way that may pass."""
        problem = ""
        for attempt in range(self._knobs.attempts):
            asked = 0.0
            try:
                response = self._client.request(method, self._url, json=body)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            except httpx.InvalidURL as error:
                raise self._wrong(f"is no address ({error})", "one such as http://127.0.0.1:9000/score") from error
            else:
                if response.status_code not in _PASSES:
                    return response
                problem, asked = _shown(response), _asked_pause(response)
            pause = min(max(self._knobs.pause * 2**attempt, asked), _LONGEST_PAUSE)
            if attempt + 1 < self._knobs.attempts and self._stopped.wait(pause):
                break  # another request has failed for good
        tried = "" if self._knobs.attempts == 1 else f" {self._knobs.attempts} times, the last time"
        raise NoReward(
            f"policy.reward.url={self._url}: the reward server failed{tried} with {problem}; start it or correct the "
            "address, then type `rounds round`, which goes on from the last checkpoint"
        )

    def _object(self, response: httpx.Response) -> Mapping[str, object]:
        values: object = None
        with suppress(ValueError):
            values = response.json()
        if not isinstance(values, dict):
            raise self._wrong(f"answered with {_shown(response)}", "a JSON object")
        return values

    def _refused(self, response: httpx.Response) -> NoReward:
        refuses = response.status_code in (401, 403)
        cure = f"put its secret into {TOKEN}" if refuses else "correct the server (docs/rewards.md has the form)"
        return NoReward(f"policy.reward.url={self._url}: the reward server answered with {_shown(response)}; {cure}")

    def _wrong(self, found: str, expected: str) -> NoReward:
        return NoReward(
            f"policy.reward.url={self._url}: the reward server {found}, expected {expected}; correct the server "
            "(docs/rewards.md has the form)"
        )


def _shown(response: httpx.Response) -> str:
    return f"status {response.status_code} and the text {shortened(response.text.strip(), SHOWN)!r}"


def _asked_pause(response: httpx.Response) -> float:
    """Seconds for which the server asks to wait."""
    with suppress(ValueError):
        return float(response.headers.get("retry-after", "0"))
    return 0.0


def _listed(scores: Sequence[float]) -> str:
    return ", ".join(f"{score:.6g}" for score in scores)
