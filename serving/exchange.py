"""One chat request from its beginning to its end: versions leased, prompt encoded, answers written and stored."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from core.errors import BadFeedback, BadModel, BadParams, Damaged, NotFound, RoundsError
from feedback.schema import Message
from feedback.store.answers import NO_CONSENT, ServedAnswer
from models.concurrent import ModelUnavailable, QueueFull
from models.upstream import UpstreamModel
from models.upstream_settings import NoUpstream
from serving.access import Caller
from serving.context import Serving
from serving.errors import ApiError, unavailable
from serving.generation import DecodedAnswer, Generation, Piece, RelayedAnswer, WrittenAnswer
from serving.loaded import ServedVersion
from serving.schema import ChatRequest, FinishReason, Usage
from serving.versions import NO_REGISTRY, TooManyVersions, in_time
from tasks.state import tombstones
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.database import Database

SAMPLE = "sample"
"""Compare two samples of one version."""
SIDE_BY_SIDE = "side-by-side"
"""The model that two answers name whose judge must not know the versions."""

WHOLE = 0.5
"""Seconds between two pieces of an answer that is sent as a whole, and in which no text ends it."""

CONSENT = "consent"
"""Key in the metadata of a request: what the asker consents to, such as `training`."""


@dataclass
class Exchange:
    """A request that is being answered."""

    serving: Serving
    asked: ChatRequest
    caller: Caller
    id: str
    began: float
    asked_at: datetime
    generation: Generation
    leases: ExitStack
    compared: str | None
    """The number of the version that was asked for beside another one, or `sample`; None for answers that are not shown
    side by side."""
    stored: set[int] = field(default_factory=set)
    silent: bool = True
    """Whether no text has come yet."""

    @property
    def versions(self) -> list[ServedVersion]:
        """The version of each answer."""
        return [answer.version for answer in self.generation.answers]

    @property
    def blinded(self) -> bool:
        """Whether the versions are not told, because somebody is to compare the answers."""
        return self.asked.side_by_side is not None

    @property
    def model(self) -> str:
        """What the response says of the version."""
        return SIDE_BY_SIDE if self.blinded else self.versions[0].name

    @property
    def fingerprint(self) -> str | None:
        """Version and bytes that answered, where they are told."""
        return None if self.blinded else self.versions[0].fingerprint

    @property
    def created(self) -> int:
        """Seconds since 1970."""
        return int(self.asked_at.timestamp())

    def response_id(self, index: int) -> str:
        """The id of an answer: that of the request for the first."""
        return f"{self.id}-{index}" if index else self.id

    def finish(self, index: int) -> FinishReason:
        """Why an answer that has ended ended."""
        return self.generation.answers[index].finish or "stop"

    def usage(self) -> Usage:
        """Tokens of the prompt, and of all answers."""
        prompt = self.generation.answers[0].prompt_tokens
        written = sum(answer.tokens for answer in self.generation.answers)
        return Usage(prompt_tokens=prompt, completion_tokens=written, total_tokens=prompt + written)

    async def pieces(self) -> AsyncIterator[Piece]:
        """The pieces of all answers as they come.

        Raises:
            DecodingFailed: a model failed.
        """
        async for piece in self.generation.pieces():
            if self.silent:
                self.silent = False
                self.serving.metrics.first.observe(time.monotonic() - self.began)
            yield piece

    async def store(self, indices: Sequence[int]) -> None:
        """Store answers; they are durable when this returns.

        Raises:
            ApiError: the database does not answer, or the asker was forgotten meanwhile.
        """
        from feedback.store import answers

        rows, annotator = [self._row(index) for index in indices], self.caller.annotator(self.asked.user)

        def put(database: "Database") -> None:
            _check_remembered(self.serving.workspace, annotator)
            answers.put(database, rows)

        await self.serving.storage.run(put)
        self.stored |= set(indices)
        for row in rows:
            self.serving.metrics.answers.labels(row.version, row.finish).inc()
            self.serving.metrics.tokens.labels(row.version, "answer").inc(row.tokens)
            self.serving.metrics.tokens.labels(row.version, "prompt").inc(row.prompt_tokens)
            self.serving.tracer.trace(row)

    async def close(self) -> None:
        """Stop what is still being written, store as much as was sent of it, and give the versions back."""
        with anyio.CancelScope(shield=True):
            try:
                self.generation.withdraw()
                begun = [index for index in range(len(self.versions)) if index not in self.stored]
                if begun:
                    await self.store(begun)
            except (ApiError, BadFeedback):
                pass  # the client has no whole answer, and was told
            finally:
                self.leases.close()

    def _row(self, index: int) -> ServedAnswer:
        answer, asked = self.generation.answers[index], self.asked
        facts = {
            "key": self.caller.name,
            "temperature": asked.temperature,
            "seed": asked.seed,
            "truncated": answer.truncated,
            "fingerprint": answer.version.fingerprint,
        }
        return ServedAnswer(
            response_id=self.response_id(index),
            completion=self.id,
            choice=index,
            annotator=self.caller.annotator(asked.user),
            version=answer.version.version,
            prompt=tuple(Message.model_validate(turn) for turn in turns(asked)),
            text=answer.content,
            finish=answer.finish or "withdrawn",
            prompt_tokens=answer.prompt_tokens,
            tokens=answer.tokens,
            asked_at=self.asked_at,
            answered_at=datetime.now(UTC),
            consent=(asked.metadata or {}).get(CONSENT, NO_CONSENT),
            compared=self.compared,
            facts={name: value for name, value in facts.items() if value is not None},
        )


def turns(asked: ChatRequest) -> list[dict[str, str]]:
    """The conversation as models and the database have it."""
    return [message.turn() for message in asked.messages]


async def begin(serving: Serving, asked: ChatRequest, caller: Caller) -> Exchange:
    """Lease the version, encode the prompt, and hand the request to the model.

    Raises:
        ApiError: the request cannot be answered; says why.
    """
    if asked.side_by_side is not None and (asked.n or 1) > 1:
        raise ApiError(400, "side_by_side asks for two answers; leave n out", "n", "invalid_value")
    if asked.user is not None and not caller.names_users:
        raise ApiError(
            403,
            f"the key {caller.name} is that of one {caller.role}, and only an application names its users; leave user "
            "out",
            "user",
            "insufficient_permissions",
        )
    began, asked_at, leases = time.monotonic(), datetime.now(UTC), ExitStack()
    versions: list[ServedVersion] = []

    def prepared() -> list[WrittenAnswer]:
        _check_remembered(serving.workspace, caller.annotator(asked.user))
        return _answers(versions, asked)

    try:
        versions.append(await _leased(serving, leases, asked.model, caller, "model"))
        if asked.side_by_side not in (None, SAMPLE):
            versions.append(await _leased(serving, leases, str(asked.side_by_side), caller, "side_by_side"))
        generation = Generation(await anyio.to_thread.run_sync(prepared))
        generation.start(0.0 if asked.stream or asked.stops else WHOLE)
    except QueueFull as error:
        leases.close()
        raise unavailable(str(error), "queue_full", retry_after=1) from error
    except ModelUnavailable as error:
        leases.close()
        raise unavailable(str(error), "model_unavailable", retry_after=10) from error
    except BaseException:
        leases.close()
        raise
    identity = f"chatcmpl-{secrets.token_hex(12)}"
    compared = versions[1].version if len(versions) > 1 else asked.side_by_side
    return Exchange(serving, asked, caller, identity, began, asked_at, generation, leases, compared)


async def _leased(serving: Serving, leases: ExitStack, name: str, caller: Caller, param: str) -> ServedVersion:
    """The version of this name, which the parameter `param` asks for. One in memory is leased without a thread.

    Raises:
        ApiError: it does not exist (404), may not be asked (403), or cannot be loaded now (503).
        QueueFull: too many requests wait for versions.
    """
    follower = serving.follower
    operates = caller.role == "operator"
    try:
        # an operator may ask all; but of a version that is not in memory, the registry has to answer for it in time
        unasked = operates and follower.is_loaded(name)
        reason = None if unasked else await in_time(follower.refused(name))
        if reason and not operates:
            raise ApiError(403, f"{reason}; only an operator may ask it", param, "version_refused")
        lease = follower.lease(name)
        leases.callback(lease.close)
        return await asyncio.wrap_future(lease.future)
    except NotFound as error:
        if follower.state.champion is None:
            raise unavailable(str(error), "no_champion") from error
        raise ApiError(404, str(error), param, "model_not_found") from error
    except TooManyVersions as error:
        raise unavailable(str(error), "too_many_versions") from error
    except QueueFull:
        raise
    except TimeoutError as error:
        raise unavailable(f"version {name} cannot be looked up: {NO_REGISTRY}", "version_unavailable") from error
    except NoUpstream as error:
        reason = f"the server that writes the answers {error.reason}"
        raise unavailable(f"version {name} cannot be asked: {reason}", "version_unavailable", retry_after=30) from error
    except RoundsError as error:
        raise unavailable(f"version {name} cannot be loaded: {error}", "version_unavailable", retry_after=30) from error


def _check_remembered(workspace: Workspace, annotator: str) -> None:
    """Check that the asker is not forgotten: what they ask would be stored under a name that stays forgotten.

    Raises:
        ApiError: they are (403), or it is unknown who is, since the file is damaged (503).
    """
    try:
        gone = tombstones.is_forgotten(workspace, annotator)
    except Damaged as error:
        raise unavailable(f"the workspace cannot be used: {error}", "bad_workspace", retry_after=30) from error
    if gone:
        raise ApiError(
            403,
            f"{annotator} was forgotten, and stays so: nothing that they ask is answered or stored; use another name "
            "(`user`, or another key)",
            "user",
            "forgotten",
        )


def _answers(versions: Sequence[ServedVersion], asked: ChatRequest) -> list[WrittenAnswer]:
    """The answers to write: `n` of one version, or two side by side, of which either is on the left.

    Raises:
        ApiError: the prompt cannot be encoded.
    """
    _check_turns(asked)
    seed = secrets.randbits(63) if asked.seed is None else asked.seed
    if len(set(versions)) == 1:  # also where a version is compared with itself: two samples of it
        both = asked.side_by_side is not None
        return list(_of_version(versions[0], asked, 2 if both else asked.n or 1, seed))
    own = [_of_version(version, asked, 1, seed)[0] for version in versions]
    return own if secrets.randbelow(2) else own[::-1]


def _of_version(version: ServedVersion, asked: ChatRequest, count: int, seed: int) -> Sequence[WrittenAnswer]:
    limit = min(asked.most_tokens or version.limits.max_answer_tokens, version.limits.max_answer_tokens)
    temperature = 1.0 if asked.temperature is None else asked.temperature
    if isinstance(version.writer, UpstreamModel):
        relayed = version.writer.requests(turns(asked), count, limit, temperature, seed, asked.stops)
        return [RelayedAnswer(version, request) for request in relayed]
    hosted = version.writer
    try:
        prompt = hosted.encoded(turns(asked), version.limits.max_prompt_tokens)
    except BadFeedback as error:
        raise ApiError(400, str(error), "messages", "invalid_value") from error
    except (BadParams, BadModel) as error:
        raise unavailable(str(error), "version_unavailable", retry_after=30) from error
    return [
        DecodedAnswer(
            version,
            request,
            len(prompt.ids),
            prompt.truncated,
            text=hosted.text(asked.stops),
            end_ids=hosted.decoder.end_ids,
        )
        for request in hosted.requests(prompt.ids, count, limit, temperature, seed)
    ]


def _check_turns(asked: ChatRequest) -> None:
    """Check that feedback on an answer to this conversation can be used.

    Raises:
        ApiError: the assistant has the last turn.
    """
    if asked.messages[-1].role == "assistant":
        raise ApiError(400, "the last turn is the assistant's; end with one of the user", "messages", "invalid_value")
