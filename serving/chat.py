"""`POST /v1/chat/completions`: answers of a version, whole or as a stream, in the form of OpenAI's interface."""

from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from core.errors import BadFeedback
from serving import exchange as exchanges
from serving.access import AnyCaller
from serving.context import Serving, serving_of
from serving.errors import ApiError, responses
from serving.exchange import Exchange
from serving.generation import DecodingFailed
from serving.schema import (
    AnswerMessage,
    ChatCompletion,
    ChatCompletionChunk,
    ChatRequest,
    Choice,
    ChunkChoice,
    Delta,
    FinishReason,
)

VERSION, RESPONSE, TRUNCATED = "x-rounds-version", "x-rounds-response-id", "x-rounds-truncated-tokens"
"""Headers of an answer: the version, the id for feedback, and how many tokens of the prompt were left out, if that is
known here."""

EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
"""Schema of an event of a stream; its data is a `ChatCompletionChunk` as JSON, an error, or `[DONE]`."""

router = APIRouter(tags=["chat"])


@router.post(
    "/v1/chat/completions",
    response_model=ChatCompletion,
    responses={
        200: {"content": {"text/event-stream": {"schema": EVENT}}, "description": "The answer."},
        **responses(400, 401, 403, 404, 413, 415, 429, 500, 503),
    },
)
async def complete(
    asked: ChatRequest, request: Request, caller: AnyCaller, serving: Annotated[Serving, Depends(serving_of)]
) -> Response:
    """Answer a conversation."""
    exchange = await exchanges.begin(serving, asked, caller)
    if asked.stream:
        return AnswerStream(exchange)
    try:
        await _written(exchange, request)
        await exchange.store(range(len(exchange.versions)))
        return JSONResponse(_whole(exchange).model_dump(), headers=headers(exchange))
    except DecodingFailed as error:
        raise error.told() from error
    finally:
        await exchange.close()


class AnswerStream(StreamingResponse):
    """The pieces of the answers as events. However it ends, what was sent is stored, and versions are given back."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(_events(exchange), media_type="text/event-stream", headers=headers(exchange))
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._exchange.close()


def headers(exchange: Exchange) -> dict[str, str]:
    """The headers of an answer."""
    first = exchange.generation.answers[0]
    told = {} if exchange.blinded else {VERSION: first.version.version}
    cut = {} if first.truncated is None else {TRUNCATED: str(first.truncated)}
    return {**told, RESPONSE: exchange.id, **cut, "cache-control": "no-store"}


async def _written(exchange: Exchange, request: Request) -> None:
    """Wait until all answers are written, or the client has gone.

    Raises:
        DecodingFailed: a model failed.
    """
    failed = None  # raised in the group, it would be part of an exception group
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            async for _ in exchange.pieces():
                pass
        except DecodingFailed as error:
            failed = error
        group.cancel_scope.cancel()
    if failed:
        raise failed


def _whole(exchange: Exchange) -> ChatCompletion:
    choices = [
        Choice(
            index=index,
            message=AnswerMessage(content=answer.content),
            finish_reason=exchange.finish(index),
            response_id=exchange.response_id(index),
        )
        for index, answer in enumerate(exchange.generation.answers)
    ]
    return ChatCompletion(
        id=exchange.id,
        created=exchange.created,
        model=exchange.model,
        system_fingerprint=exchange.fingerprint,
        choices=choices,
        usage=exchange.usage(),
    )


async def _events(exchange: Exchange) -> AsyncIterator[str]:
    try:
        for index in range(len(exchange.versions)):
            yield _event(_chunk(exchange, index, Delta(role="assistant", content="")))
        async for piece in exchange.pieces():
            if piece.finish:  # durable before the last byte
                await exchange.store([piece.choice])
            if piece.text:
                yield _event(_chunk(exchange, piece.choice, Delta(content=piece.text)))
            if piece.finish:
                yield _event(_chunk(exchange, piece.choice, Delta(), piece.finish))
        if exchange.asked.stream_options and exchange.asked.stream_options.include_usage:
            yield _event(_chunk(exchange).model_copy(update={"usage": exchange.usage()}))
        yield "data: [DONE]\n\n"
    except DecodingFailed as error:
        yield _error(error.told())
    except BadFeedback as error:
        yield _error(ApiError(400, str(error), "user", "invalid_value"))
    except ApiError as error:
        yield _error(error)


def _chunk(
    exchange: Exchange, index: int | None = None, delta: Delta | None = None, finish: FinishReason | None = None
) -> ChatCompletionChunk:
    """A piece of one answer; without an index, of none."""
    choices = (
        []
        if index is None or delta is None
        else [ChunkChoice(index=index, delta=delta, finish_reason=finish, response_id=exchange.response_id(index))]
    )
    return ChatCompletionChunk(
        id=exchange.id,
        created=exchange.created,
        model=exchange.model,
        system_fingerprint=exchange.fingerprint,
        choices=choices,
    )


def _event(chunk: ChatCompletionChunk) -> str:
    return f"data: {chunk.model_dump_json()}\n\n"


def _error(error: ApiError) -> str:
    """The last event of a stream that cannot go on; clients of OpenAI raise it."""
    return f"data: {error.body().model_dump_json()}\n\n"
