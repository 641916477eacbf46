"""The answers to one request while models write them: pieces of text for one asynchronous reader."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from models.concurrent import ModelUnavailable, TokenChunk
from models.detokenising import AnswerText
from models.upstream import TextChunk
from models.upstream_settings import NoUpstream
from serving.errors import ApiError, unavailable
from serving.loaded import ServedVersion
from serving.schema import FinishReason


class DecodingFailed(Exception):
    """The model failed while it wrote an answer."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error) or type(error).__name__)
        self._error = error
        self._passes = isinstance(error, ModelUnavailable)

    def told(self) -> ApiError:
        """What the client is told: to ask again later, where that may help. The address of a server is not told."""
        if isinstance(self._error, NoUpstream):
            message = f"the server that writes the answers {self._error.reason}"
            if self._error.by_request:
                return ApiError(400, message, "messages", "invalid_value")
            return unavailable(f"{message}; try again later", "upstream_failed", retry_after=10)
        if self._passes:
            return unavailable(str(self), "model_unavailable", retry_after=10)
        return ApiError(500, f"the model failed: {self}", code="decoding_failed")


@dataclass
class WrittenAnswer(ABC):
    """One answer, as far as it is written."""

    version: ServedVersion
    request: Any
    """As the version's writer has it."""
    prompt_tokens: int = 0
    truncated: int | None = None
    """Tokens of the prompt that were removed on the left; None if that is not known here."""
    content: str = ""
    tokens: int = 0
    finish: FinishReason | None = None
    job: Any = field(default=None, repr=False)

    @abstractmethod
    def take(self, chunk: Any) -> str:
        """Append what the writer has handed out; the new text."""


@dataclass(kw_only=True)
class DecodedAnswer(WrittenAnswer):
    """An answer that a policy in memory writes."""

    text: AnswerText
    end_ids: Collection[int]

    def take(self, chunk: TokenChunk) -> str:
        """Append tokens; the new text."""
        self.tokens += len(chunk.ids)
        new = self.text.add(chunk.ids) + (self.text.end() if chunk.ended else "")
        if self.text.stopped:
            self.finish = "stop"
            if self.job and not chunk.ended:
                self.version.writer.withdraw([self.job])
        elif chunk.ended:
            self.finish = "length" if self._is_cut(chunk) else "stop"
        self.content += new
        return new

    def _is_cut(self, chunk: TokenChunk) -> bool:
        """Whether the limit ended the answer, and not one of the tokens that end answers."""
        last = chunk.ids[-1] if chunk.ids else None
        return self.tokens >= self.request.limit and last not in self.end_ids


@dataclass
class RelayedAnswer(WrittenAnswer):
    """An answer that a server writes."""

    def take(self, chunk: TextChunk) -> str:
        """Append text. How many tokens it has is told at the end; before that, each piece counts as one."""
        self.content += chunk.text
        self.tokens += bool(chunk.text)
        if chunk.finish:
            self.finish, self.prompt_tokens, self.tokens = chunk.finish, chunk.prompt_tokens, chunk.tokens
        return chunk.text


class Piece(NamedTuple):
    """A piece of an answer."""

    choice: int
    """Index of the answer."""
    text: str
    finish: FinishReason | None
    """Why the answer ends with it; None if it goes on."""


class Generation:
    """Answers that are written at once, by one version or by several."""

    def __init__(self, answers: Sequence[WrittenAnswer]) -> None:
        """Nothing is asked of the models yet."""
        self.answers = tuple(answers)
        self._chunks: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def start(self, every: float = 0.0) -> None:
        """Hand the requests to the models.

        Args:
            every: seconds between two pieces of an answer.

        Raises:
            QueueFull: too many wait.
            ModelUnavailable: a model cannot be asked.
        """
        by_version: dict[ServedVersion, list[int]] = {}
        for index, answer in enumerate(self.answers):
            by_version.setdefault(answer.version, []).append(index)
        try:
            for version, indices in by_version.items():
                rows = [(self.answers[index].request, self._receiver(index)) for index in indices]
                jobs = version.writer.submit(rows, every)
                for index, job in zip(indices, jobs, strict=True):
                    self.answers[index].job = job
        except BaseException:
            self.withdraw()
            raise

    async def pieces(self) -> AsyncIterator[Piece]:
        """The pieces of all answers as they come, to the end of the last one.

        Raises:
            DecodingFailed: a model failed.
        """
        while any(answer.finish is None for answer in self.answers):
            index, chunk = await self._chunks.get()
            answer = self.answers[index]
            if chunk.error:
                raise DecodingFailed(chunk.error) from chunk.error
            if answer.finish is None and ((text := answer.take(chunk)) or answer.finish):
                yield Piece(index, text, answer.finish)

    def withdraw(self) -> None:
        """Stop what is still being written: nobody reads it any more."""
        for answer in self.answers:
            if answer.job and answer.finish is None:
                answer.version.writer.withdraw([answer.job])

    def _receiver(self, index: int) -> "Receiver":
        return Receiver(self._loop, self._chunks, index)


@dataclass(frozen=True)
class Receiver:
    """Takes the chunks of one answer in the writer's thread, and hands them to the event loop."""

    loop: asyncio.AbstractEventLoop
    chunks: "asyncio.Queue[tuple[int, Any]]"
    index: int

    def __call__(self, chunk: TokenChunk | TextChunk) -> None:
        """Hand a chunk over."""
        self.loop.call_soon_threadsafe(self.chunks.put_nowait, (self.index, chunk))
