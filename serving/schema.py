"""What a chat request may say, and the answers: the part of OpenAI's interface that this server has."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from serving.names import Name


def _whole(value: object) -> object:
    """A whole number that is written with a point, as in 3.0, which is one in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, StringConstraints(strict=True, min_length=1)]
Content = Annotated[str, StringConstraints(strict=True, pattern=r"[^\s\x1c-\x1f]")]
"""A text that is not blank."""
Key = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200)]
Value = Annotated[str, StringConstraints(strict=True, max_length=500, pattern=r"^[^\x00]*$")]
Flag = Annotated[bool, Field(strict=True)]
MOST_ANSWERS = 8
"""Answers to one request."""
Answers = Annotated[int, Field(strict=True, ge=1, le=MOST_ANSWERS), BeforeValidator(_whole)]
Tokens = Annotated[int, Field(strict=True, ge=1, lt=2**31), BeforeValidator(_whole)]
Seed = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63), BeforeValidator(_whole)]
Temperature = Annotated[float, Field(strict=True, ge=0, le=2)]
One = Annotated[float, Field(strict=True, ge=1, le=1)]
Zero = Annotated[float, Field(strict=True, ge=0, le=0)]


class _Given(BaseModel):
    """What a client sends: another field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class TextPart(_Given):
    """A part of a message; other kinds than text are not supported."""

    type: Literal["text"]
    text: Content


class ChatMessage(_Given):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    """`developer` is another word for `system`."""
    content: Content | Annotated[tuple[TextPart, ...], Field(min_length=1)]

    def turn(self) -> dict[str, str]:
        """The turn as models are given it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(_Given):
    """What a stream has besides the answer."""

    include_usage: Flag = False


class PlainText(_Given):
    """The only form of answers."""

    type: Literal["text"]


class ChatRequest(_Given):
    """A request for answers. Some parameters of OpenAI's are taken only with the value that changes nothing."""

    model: Name = "champion"
    """`champion`, the number of a version, or `policy/NUMBER`."""
    messages: tuple[ChatMessage, ...] = Field(min_length=1, max_length=1000)
    stream: Flag = False
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    """1 by default, as in training; below .01 the most likely tokens are taken."""
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    """Most tokens of an answer. More than the version was trained with are never written."""
    n: Answers | None = None
    """Number of answers."""
    seed: Seed | None = None
    """The same seed gives the same answer of the same version, but for rounding in a batch."""
    stop: Text | Annotated[tuple[Text, ...], Field(max_length=4)] | None = None
    """Texts before which an answer ends."""
    user: Name | None = None
    """Who asks, as the application names the person: answers can be forgotten by this name."""
    metadata: Annotated[dict[Key, Value], Field(max_length=16)] | None = None
    """`consent`: what the asker consents to, such as `opt-in`."""
    side_by_side: Name | None = None
    """Ask for two answers to be compared, on sides drawn at random: with this version, or `sample` for two of one."""
    top_p: One | None = None
    presence_penalty: Zero | None = None
    frequency_penalty: Zero | None = None
    logprobs: Literal[False] | None = None
    response_format: PlainText | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences."""
        return (self.stop,) if isinstance(self.stop, str) else self.stop or ()

    @property
    def most_tokens(self) -> int | None:
        """The limit that the client asks for."""
        limits = [limit for limit in (self.max_tokens, self.max_completion_tokens) if limit is not None]
        return min(limits, default=None)


FinishReason = Literal["stop", "length"]


class AnswerMessage(BaseModel):
    """An answer."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """One of the answers to a request."""

    index: int
    message: AnswerMessage
    finish_reason: FinishReason
    logprobs: None = None
    response_id: str
    """Feedback names the answer by it."""


class Usage(BaseModel):
    """Tokens of prompt and answers."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(BaseModel):
    """All answers to a request."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    """Seconds since 1970."""
    model: str
    """The version that answered, or `side-by-side`."""
    system_fingerprint: str | None
    """Version and bytes that answered; null for answers side by side, whose judge must not know it."""
    choices: list[Choice]
    usage: Usage


class Delta(BaseModel):
    """What is new of an answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """A piece of an answer."""

    index: int
    delta: Delta
    finish_reason: FinishReason | None = None
    logprobs: None = None
    response_id: str


class ChatCompletionChunk(BaseModel):
    """One event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    system_fingerprint: str | None
    choices: list[ChunkChoice]
    usage: Usage | None = None


class ListedModel(BaseModel):
    """A version that answers."""

    id: str
    object: Literal["model"] = "model"
    created: int
    """Seconds since 1970."""
    owned_by: str = "rounds"


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ListedModel]
