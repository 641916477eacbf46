"""A small server with OpenAI's interface, whose answers and failures a test chooses."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.serving.served import SECONDS, listening

PIECES = ("It is ", "on its\u2028", "way \x85", "to 北京 🚚")
"""With characters that `str.splitlines` takes for line ends."""


@dataclass
class FakeOpenAI:
    """What the server does, and what it was asked."""

    models: Sequence[str] = ("policy/1", "policy/2")
    pieces: Sequence[str] = PIECES
    finish: str | None = "stop"
    """None: the stream ends without a reason."""
    usage: dict[str, int] | None = field(default_factory=lambda: {"prompt_tokens": 9, "completion_tokens": 7})
    fingerprint: str | None = None
    status: int = 200
    body: str = '{"error": {"message": "no"}}'
    """Of a response whose status is none of success."""
    event: str | None = None
    """An event after the first piece, in place of what follows."""
    hangs_after: int | None = None
    """Number of pieces after which nothing comes any more."""
    loaded: Sequence[str] = ()
    """Folders of the adapters that were handed over."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    open: int = 0
    """Streams that are being sent."""
    url: str = ""

    def app(self) -> FastAPI:
        """The app."""
        app = FastAPI()

        @app.get("/v1/models")
        async def models(request: Request) -> Response:
            self.keys.add(request.headers.get("authorization"))
            return JSONResponse({"object": "list", "data": [{"id": name} for name in self.models]})

        @app.post("/v1/chat/completions")
        async def complete(request: Request) -> Response:
            self.bodies.append(await request.json())
            if self.status != 200:
                return Response(self.body, self.status)
            return StreamingResponse(self._events(), media_type="text/event-stream")

        @app.post("/v1/load_lora_adapter")
        async def load(request: Request) -> Response:
            asked = await request.json()
            if asked["lora_name"] in self.models:
                return Response("has already been loaded", 400)
            self.models, self.loaded = [*self.models, asked["lora_name"]], [*self.loaded, asked["lora_path"]]
            return Response("Success")

        @app.post("/v1/unload_lora_adapter")
        async def unload(request: Request) -> Response:
            name = (await request.json())["lora_name"]
            self.models = [each for each in self.models if each != name]
            return Response("Success")

        return app

    async def _events(self) -> AsyncIterator[str]:
        self.open += 1
        try:
            for number, piece in enumerate(self.pieces):
                if number == self.hangs_after:
                    await asyncio.sleep(SECONDS)
                if number and self.event is not None:
                    yield f"data: {self.event}\n\n"
                    return
                yield self._chunk({"choices": [{"index": 0, "delta": {"content": piece}}]})
            if self.finish:
                yield self._chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish}]})
            if self.usage:
                yield self._chunk({"choices": [], "usage": self.usage})
            if self.finish:
                yield "data: [DONE]\n\n"
        finally:
            self.open -= 1

    def _chunk(self, values: dict[str, Any]) -> str:
        text = json.dumps(values | {"system_fingerprint": self.fingerprint}, ensure_ascii=False)
        return f": ping\n\ndata: {text}\r\n\r\n"


@contextmanager
def writing(fake: FakeOpenAI, port: int = 0) -> Iterator[FakeOpenAI]:
    """The server while the block runs."""
    with listening(fake.app(), port) as address:
        fake.url = f"{address}/v1"
        yield fake
