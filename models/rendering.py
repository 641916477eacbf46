"""Chat templates of base models, rendered by a child process with limits of CPU time and memory (`template_process`).

The template of a model from scratch is ours, and is rendered here.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import islice
from typing import IO, Any, cast

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from core.errors import BadModel
from models import template_process
from models.scratch import TEMPLATE

SECONDS = 5
"""CPU seconds for a batch of conversations; 256 of them take a few hundredths of a second."""
BATCH = 256

Conversation = Sequence[Mapping[str, str]]

_CURE = "correct its chat template, or use another base model"
_ENVIRONMENT = {"USE_TORCH": "0", "HF_HUB_OFFLINE": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_TRIED: tuple[Conversation, ...] = (
    ({"role": "user", "content": "Is it open?"},),
    ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "Is it open?"}),
    (
        {"role": "user", "content": "Is it open?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Until when?"},
    ),
)
"""Conversations that a template is tried with; it has to take one of them."""


def chat_ids(
    tokenizer: PreTrainedTokenizerBase, conversations: Sequence[Conversation], generation_prompt: bool, sanitize: bool
) -> list[list[int]]:
    """The same token ids as `tokenizer.apply_chat_template`, with `sanitize` for `sanitize_control_tokens`.

    Raises:
        TemplateError: the template refuses a conversation.
        BadModel: the template takes too long, needs too much memory, or fails in another way.
    """
    if tokenizer.chat_template == TEMPLATE:
        ids: list[list[int]] = tokenizer.apply_chat_template(
            [list(turns) for turns in conversations],
            add_generation_prompt=generation_prompt,
            sanitize_control_tokens=sanitize,
            return_dict=False,
        )
        return ids
    given = [[dict(turn) for turn in turns] for turns in conversations]
    if sanitize:
        _check_compiles(_template(tokenizer))  # marking compiles it here
        given, *_ = tokenizer._mark_chat_inputs(_template(tokenizer), given, None, None, {}, True, False)
    texts = render(tokenizer, given, generation_prompt)
    ids = tokenizer(texts, add_special_tokens=False, sanitize_control_tokens=sanitize)["input_ids"]
    return ids


def render(
    tokenizer: PreTrainedTokenizerBase, conversations: Iterable[Conversation], generation_prompt: bool = True
) -> list[str]:
    """The conversations as texts, by the tokenizer's chat template.

    Raises:
        TemplateError, BadModel: see `chat_ids`.
    """
    request = {"chat_template": _template(tokenizer), "add_generation_prompt": generation_prompt}
    texts, remaining = [], iter(conversations)
    while some := list(islice(remaining, BATCH)):
        texts += _renderer().render(tokenizer.special_tokens_map | request | {"conversations": some})
    return texts


def check(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Check that a chat template takes a conversation, within the limits.

    Raises:
        BadModel: it does not; names the model.
    """
    if not tokenizer.chat_template or tokenizer.chat_template == TEMPLATE:
        return
    reasons = []
    for conversation in _TRIED:
        try:
            render(tokenizer, [conversation])
        except TemplateError as error:
            reasons.append(str(error))
        except BadModel as error:
            raise BadModel(f"model.base={name}: {error}") from error
    if len(reasons) == len(_TRIED):
        raise BadModel(f"model.base={name}: its chat template refuses every conversation ({reasons[0]}); {_CURE}")


def _template(tokenizer: PreTrainedTokenizerBase) -> str:
    return str(tokenizer.get_chat_template())


@cache
def _check_compiles(template: str) -> None:
    """Compiling computes constants, such as `'a' * 10**9`: the child does it first, within the limits."""
    _renderer().render({"chat_template": template, "conversations": []})


class _Renderer:
    """A child process that renders; a new one is started after it was ended by a limit."""

    def __init__(self) -> None:
        self._lock, self._owner = threading.Lock(), os.getpid()
        self._process: subprocess.Popen[bytes] | None = None

    def is_ours(self) -> bool:
        """Whether this process started it: after a fork, both would talk to one child."""
        return self._owner == os.getpid()

    def render(self, request: Mapping[str, Any]) -> list[str]:
        """The rendered texts.

        Raises:
            TemplateError, BadModel: see `chat_ids`.
        """
        with self._lock:
            answer = self._ask(json.dumps({**request, "seconds": SECONDS}).encode() + b"\n")
        if (error := answer.get("error")) is None:
            return cast(list[str], answer["texts"])
        reason = str(answer["reason"])
        if "TemplateError" in error and "SecurityError" not in error:
            raise TemplateError(reason)
        if "MemoryError" in error:
            reason = f"it needs more than {template_process.MEMORY >> 20} MiB of memory"
        raise BadModel(f"the chat template fails with {error[0]} ({reason}); {_CURE}")

    def _ask(self, line: bytes) -> dict[str, Any]:
        process = self._process = self._process or _started()
        try:
            _stream(process.stdin).write(line)
            _stream(process.stdin).flush()
            answer = _stream(process.stdout).readline()
        except BrokenPipeError:
            answer = b""
        if answer:
            return cast(dict[str, Any], json.loads(answer))
        status = self.close()
        if status == -signal.SIGXCPU:
            raise BadModel(f"the chat template computes for more than {SECONDS} s; {_CURE}")
        raise BadModel(f"the process that renders the chat template ended with status {status}; {_CURE}")

    def close(self) -> int | None:
        """End the process; its status."""
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(BrokenPipeError):  # a request that it did not read is left
            _stream(process.stdin).close()
        try:
            status = process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        _stream(process.stdout).close()
        return status


_current: list[_Renderer] = []


def _renderer() -> _Renderer:
    if not _current or not _current[0].is_ours():
        _current[:] = [_Renderer()]
        atexit.register(_current[0].close)
    return _current[0]


def _started() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-I", template_process.__file__]
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment | _ENVIRONMENT,
        start_new_session=True,  # Ctrl-C is for the parent, which ends the child
    )


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the process has pipes")
    return stream
