"""A server with OpenAI's interface that writes the answers of the serving app: `upstream` in serving.yaml.

One thread talks to it, with an event loop of its own. Each answer is a stream of its own there, so that a server that
breaks off, says nothing more or forgets how an answer ended is noticed.
"""

import asyncio
import hashlib
import json
import logging
import math
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import httpx
from pydantic import BaseModel, ValidationError

from models.concurrent import STOPPING, Capacity, ModelUnavailable, QueueFull
from models.model_server import bearer, explained, listed
from models.upstream_settings import (
    CONNECT,
    DIGITS,
    KEY,
    LISTED,
    NoUpstream,
    UpstreamSettings,
    away,
    refused,
    shown_bytes,
    trouble,
    unknown,
)

_FINGERPRINT = re.compile(rf"policy-[0-9]+-([0-9a-f]{{{DIGITS}}})")
"""`system_fingerprint` of a server of this project."""

_logger = logging.getLogger(__name__)


class AnswerRequest(NamedTuple):
    """An answer to be written."""

    model: str
    """Its name there."""
    digest: str
    """Of the files that are to answer."""
    turns: Sequence[Mapping[str, str]]
    limit: int
    """Tokens, at most."""
    temperature: float
    seed: int
    stop: Sequence[str] = ()

    def body(self) -> dict[str, Any]:
        """As OpenAI's interface has it. What changes probabilities is stated, so that no default of a server holds."""
        return {
            "model": self.model,
            "messages": list(self.turns),
            "max_tokens": self.limit,
            "temperature": self.temperature,
            "seed": self.seed,
            "top_p": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "n": 1,
            "stream": True,
            "stream_options": {"include_usage": True},
            **({"stop": list(self.stop)} if self.stop else {}),
        }


class TextChunk(NamedTuple):
    """A piece of an answer."""

    text: str = ""
    finish: Literal["stop", "length"] | None = None
    """Why it ends with this piece; None if it goes on."""
    prompt_tokens: int = 0
    """Told with the last piece."""
    tokens: int = 0
    """Of the answer, told with the last piece."""
    error: BaseException | None = None
    """Why it ended too early."""


Receive = Callable[[TextChunk], None]
"""Takes the pieces of one answer, in the thread of the upstream: it must not wait."""


class Upstream:
    """The server. All methods may be called from any thread."""

    def __init__(self, settings: UpstreamSettings, capacity: Capacity, poll: float) -> None:
        """Nothing is asked before `start`.

        Args:
            settings: where it is.
            capacity: how many answers it writes at once.
            poll: seconds between two looks.
        """
        self.settings, self._capacity, self._poll = settings, capacity, poll
        self.problem: str | None = None
        """Why it cannot be asked now; None if it can."""
        self.names: Sequence[str] = ()
        """What it listed when it was last looked at."""
        self.looked = -math.inf
        """When that look began."""
        self.active = 0
        """Answers that it writes."""
        self._open = 0
        self._lock = threading.Lock()
        self._closed = False
        self._end, self._places = asyncio.Event(), asyncio.Semaphore(capacity.rows)
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    @property
    def waiting(self) -> int:
        """Answers that wait for a place."""
        return max(self._open - self.active, 0)

    def start(self) -> None:
        """Begin to look whether it answers."""
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def submit(self, requests: Sequence[tuple[AnswerRequest, Receive]]) -> "list[Future[None]]":
        """Ask for answers, for all or for none.

        Raises:
            QueueFull: so many do not fit.
            ModelUnavailable: this server is stopping.
        """
        with self._lock:
            if self._closed:
                raise ModelUnavailable(f"{STOPPING}; try again later")
            room = self._capacity.rows + self._capacity.waiting
            if self._open + len(requests) > room:
                raise QueueFull(f"{self._open} answers are being written or wait, and at most {room} may; try again")
            self._open += len(requests)
            jobs = [asyncio.run_coroutine_threadsafe(self._answered(*request), self._loop) for request in requests]
        for job in jobs:
            job.add_done_callback(self._ended)
        return jobs

    def withdraw(self, jobs: "Sequence[Future[None]]") -> None:
        """Stop answers: the server is told by the end of the connection."""
        for job in jobs:
            job.cancel()

    def close(self) -> None:
        """End the thread; answers that have not ended get an error."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _ended(self, _: "Future[None]") -> None:
        with self._lock:
            self._open -= 1

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
        finally:
            self._loop.close()

    async def _live(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self._capacity.rows)
        timeout = httpx.Timeout(None, connect=CONNECT)
        async with httpx.AsyncClient(headers=bearer(KEY), timeout=timeout, limits=limits) as self._http:
            self._watch = asyncio.create_task(self._watched())
            await self._end.wait()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel(STOPPING)
            await asyncio.gather(*others, return_exceptions=True)

    async def _watched(self) -> None:
        """See again and again whether the server answers."""
        while True:
            await self._look()
            await asyncio.sleep(self._poll)

    async def _look(self) -> None:
        """See whether the server answers, and what it lists."""
        began = time.monotonic()
        try:
            answer = await self._http.get(f"{self._base}/models", timeout=LISTED)
            self.names, self.looked, problem = listed(answer, self.settings.failed), began, None
        except NoUpstream as error:
            problem = str(error)
        except Exception as error:  # whatever it is, the next look may succeed
            problem = str(away(self.settings, explained(error)))
        if problem != self.problem:
            _logger.warning("%s", problem or f"upstream.url={self.settings.url}: the server answers again")
        self.problem = problem

    @property
    def _base(self) -> str:
        return self.settings.url.rstrip("/")

    async def _answered(self, request: AnswerRequest, receive: Receive) -> None:
        """Write one answer; whatever happens, who waits for it is told."""
        try:
            async with self._places:
                self.active += 1
                try:
                    await self._written(request, receive)
                finally:
                    self.active -= 1
        except asyncio.CancelledError:
            if self._closed:
                receive(TextChunk(error=ModelUnavailable(f"{STOPPING}; try again later")))
            raise
        except NoUpstream as error:
            _logger.warning("%s", error)
            receive(TextChunk(error=error))
        except Exception as error:
            _logger.exception("an answer of the upstream server could not be read")
            receive(TextChunk(error=error))

    async def _written(self, request: AnswerRequest, receive: Receive) -> None:
        """Hand out the pieces of an answer.

        Raises:
            NoUpstream: it does not come to its end.
        """
        end = _AnswerEnd(self.settings, request)
        try:
            async with asyncio.timeout(self.settings.patience) as patience:
                async with self._http.stream("POST", f"{self._base}/chat/completions", json=request.body()) as answer:
                    if answer.status_code != 200:
                        raise refused(self.settings, answer.status_code, shown_bytes(await answer.aread()))
                    async for data in _events(answer):
                        patience.reschedule(asyncio.get_running_loop().time() + self.settings.patience)
                        if text := end.take(data):
                            receive(TextChunk(text))
                        if end.done:
                            break
        except TimeoutError as error:
            raise trouble(
                self.settings,
                f"sent nothing for {self.settings.patience:g} s",
                "see its log, or raise upstream.patience in serving.yaml",
            ) from error
        except httpx.HTTPError as error:
            raise away(self.settings, explained(error)) from error
        receive(end.last())


@dataclass(eq=False)
class UpstreamModel:
    """A version that the server has under a name."""

    upstream: Upstream
    name: str
    digest: str
    """Of its files."""
    ended: bool = False
    listed: float = field(default_factory=time.monotonic)
    """When the server last listed it."""

    @property
    def is_missing(self) -> bool:
        """Whether the server has forgotten it."""
        return self.upstream.looked > self.listed and self.name not in self.upstream.names

    @property
    def problem(self) -> str | None:
        """Why it cannot be asked now; None if it can."""
        server = self.upstream
        if server.problem or not self.is_missing:
            return server.problem
        return str(unknown(server.settings, self.name, server.names))

    def requests(
        self,
        turns: Sequence[Mapping[str, str]],
        count: int,
        limit: int,
        temperature: float,
        seed: int,
        stop: Sequence[str] = (),
    ) -> list[AnswerRequest]:
        """So many answers to one conversation, each with a seed of its own; the first has this one."""
        seeds = [seed, *(_derived(seed, number) for number in range(1, count))]
        return [AnswerRequest(self.name, self.digest, turns, limit, temperature, each, stop) for each in seeds]

    def submit(self, requests: Sequence[tuple[AnswerRequest, Receive]], every: float = 0.0) -> "list[Future[None]]":
        """Ask for answers; see `Upstream.submit`.

        Raises:
            ModelUnavailable: the server does not answer, or does not know the version any more.
        """
        if self.problem:
            raise ModelUnavailable("the server that writes the answers cannot be asked now; try again later")
        return self.upstream.submit(requests)

    def withdraw(self, jobs: "Sequence[Future[None]]") -> None:
        """Stop answers."""
        self.upstream.withdraw(jobs)


def _derived(seed: int, number: int) -> int:
    """Another seed, below 2**63."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:8], "big") >> 1


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Delta(BaseModel):
    content: str | None = None


class _ChunkChoice(BaseModel):
    delta: _Delta
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: Sequence[_ChunkChoice] = ()
    usage: _Usage | None = None
    system_fingerprint: str | None = None


class _AnswerEnd:
    """What is known of the end of an answer while its pieces come."""

    def __init__(self, settings: UpstreamSettings, request: AnswerRequest) -> None:
        self.done = False
        """Whether the server has said that nothing follows."""
        self._settings, self._request = settings, request
        self._finish: str | None = None
        self._usage: _Usage | None = None
        self._pieces = 0

    def take(self, data: bytes) -> str:
        """The text in an event.

        Raises:
            NoUpstream: it is an error, or not what it should be.
        """
        if data == b"[DONE]":
            self.done = True
            return ""
        try:
            chunk = _Chunk.model_validate_json(data)
        except ValidationError as error:
            raise self._odd(f"sent {shown_bytes(data)} where a piece of an answer was expected") from error
        if not chunk.choices and not chunk.usage:
            with suppress(ValueError, AttributeError):
                if problem := json.loads(data).get("error"):
                    raise self._odd(f"broke off with the error {shown_bytes(json.dumps(problem).encode())}")
        self._check_fingerprint(chunk.system_fingerprint)
        self._usage = chunk.usage or self._usage
        text = ""
        for choice in chunk.choices[:1]:
            text, self._finish = choice.delta.content or "", choice.finish_reason or self._finish
        self._pieces += bool(text)
        if self._pieces > 4 * self._request.limit + 64:  # a piece may be a part of a token
            raise self._odd(f"goes on beyond the limit of {self._request.limit} tokens")
        return text

    def last(self) -> TextChunk:
        """The end of the answer.

        Raises:
            NoUpstream: it has not come.
        """
        if self._finish is None or not (self.done or self._usage):
            raise self._odd("broke off in the middle of an answer")
        if self._finish not in ("stop", "length"):
            raise self._odd(f"ended an answer with finish_reason {self._finish!r}")
        if self._usage is None:
            raise self._odd("did not count the tokens of an answer, though `stream_options` asked for it")
        finish: Literal["stop", "length"] = "stop" if self._finish == "stop" else "length"
        return TextChunk("", finish, self._usage.prompt_tokens, self._usage.completion_tokens)

    def _check_fingerprint(self, told: str | None) -> None:
        """Check the bytes that answer, where the server says which they are."""
        known = _FINGERPRINT.fullmatch(told or "")
        if known and known[1] != self._request.digest[:DIGITS]:
            raise self._odd(
                f"answers as {self._request.model!r} with {told}, whose files are not those of the version "
                f"({self._request.digest[:DIGITS]})"
            )

    def _odd(self, reason: str) -> NoUpstream:
        return trouble(self._settings, reason, "see its log")


async def _events(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The data of server-sent events. Lines end with a line feed alone: a text in JSON may have any other separator."""
    rest = b""
    async for part in answer.aiter_bytes():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip()
