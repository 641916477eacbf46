"""Encode conversations as padded tensors of token ids.

Turns are formatted by the tokenizer's chat template. Without a chat template, they are formatted as plain text, and
answers begin with a space:

    System: …

    User: …

    Assistant: …
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from jinja2 import TemplateError
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.errors import BadFeedback, BadParams
from models import rendering

Turn = Mapping[str, str]
"""{"role": "system" | "user" | "assistant", "content": …}"""

ROLES = ("system", "user", "assistant")


class EncodedPrompt(NamedTuple):
    """A prompt as token ids."""

    ids: list[int]
    truncated: int
    """Number of tokens removed on the left."""


class Batch(NamedTuple):
    """Prompts with their answers, right-padded, so that no real token attends to padding under a causal mask."""

    ids: Tensor
    """(B, T) int64"""
    mask: Tensor
    """(B, T) bool: real tokens, not padding. Not derived from `ids != pad`, because the pad token may be EOS."""
    response: Tensor
    """(B, T) bool: answer tokens, EOS included."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(*(tensor.to(device) for tensor in self))


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: Iterable[Sequence[Turn]], limit: int
) -> list[EncodedPrompt]:
    """Encode conversations up to the start of the assistant's answer, each truncated on the left to `limit` tokens.

    The text of a turn cannot forge another turn: control tokens in it are encoded as ordinary text. Truncation keeps a
    leading BOS token and the generation prompt (the tokens at the end that start the assistant's turn).

    Raises:
        BadFeedback: a prompt is empty, a role is unknown, or the chat template rejects the order of the turns.
        BadParams: `limit` leaves no room for a token of the prompt beside BOS and the generation prompt.
        BadModel: the chat template takes too long, needs too much memory, or fails in another way.
    """
    turns = [_turns(prompt) for prompt in prompts]
    if not turns:
        return []
    encoded = _chat_ids(tokenizer, turns) if tokenizer.chat_template else _plain_ids(tokenizer, turns)
    return [_truncate(tokenizer, prompt, ids, limit) for prompt, ids in zip(turns, encoded, strict=True)]


def encode_answers(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], limit: int, end: bool = True
) -> list[list[int]]:
    """Token ids of each answer, truncated on the right to `limit`; with `end`, EOS is appended if it fits."""
    formatted = [text if tokenizer.chat_template else f" {text}" for text in texts]
    if not formatted:
        return []
    encoded: list[list[int]] = tokenizer(formatted, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [([*ids, tokenizer.eos_token_id] if end else ids)[:limit] for ids in encoded]


def decode_answer(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text of an answer, without special tokens and surrounding whitespace."""
    text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text.strip()


def pad(prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], pad_id: int) -> Batch:
    """Concatenate the prompt and answer of each row, and pad on the right to the longest row: tensors of (B, T).

    Raises:
        BadFeedback: a prompt is empty, so that no position predicts the first token of its answer.
    """
    if not all(prompts):
        row = [len(prompt) for prompt in prompts].index(0)
        raise BadFeedback(f"prompt {row} of the batch has no tokens; encode prompts with encode_prompts")
    rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    width = max(map(len, rows), default=0)
    ids = torch.tensor([row + [pad_id] * (width - len(row)) for row in rows], dtype=torch.int64)
    position = torch.arange(width)
    mask = position < torch.tensor([len(row) for row in rows])[:, None]
    after_prompt = position >= torch.tensor([len(prompt) for prompt in prompts])[:, None]
    return Batch(ids.reshape(len(rows), width), mask, mask & after_prompt)


def by_length(lengths: Sequence[int], size: int, generator: torch.Generator | None) -> list[list[int]]:
    """Row indices in minibatches of at most `size` rows of similar length, to reduce padding.

    A generator shuffles the order of the minibatches and of rows of equal length; None sorts by length.
    """
    if generator is None:
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        return [order[start : start + size] for start in range(0, len(order), size)]
    shuffled = torch.randperm(len(lengths), generator=generator).tolist()
    order = sorted(shuffled, key=lengths.__getitem__)
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def _turns(prompt: Sequence[Turn]) -> list[Turn]:
    if not prompt:
        raise BadFeedback("a prompt has no turns; give at least one user turn")
    for index, turn in enumerate(prompt):
        if turn["role"] not in ROLES:
            raise BadFeedback(f"turn {index} has role {turn['role']!r}; use one of {', '.join(ROLES)}")
    return [{"role": turn["role"], "content": turn["content"]} for turn in prompt]


def _chat_ids(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[Turn]], generation_prompt: bool = True
) -> list[list[int]]:
    # sanitising is slow, and has no effect on text without control tokens
    contents = {turn["content"] for prompt in prompts for turn in prompt}
    has_control_tokens = any(token in content for token in tokenizer.added_tokens_encoder for content in contents)
    try:
        return rendering.chat_ids(tokenizer, prompts, generation_prompt, sanitize=has_control_tokens)
    except TemplateError as error:
        if len(prompts) > 1:  # encode one at a time to find the rejected prompt
            return [ids for prompt in prompts for ids in _chat_ids(tokenizer, [prompt], generation_prompt)]
        roles = " ".join(turn["role"] for turn in prompts[0])
        raise BadFeedback(
            f"the chat template rejects turns in the order [{roles}]: {error}; "
            "change the prompt, or use a base model with a template that accepts it"
        ) from error


def _plain_ids(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[Turn]]) -> list[list[int]]:
    texts = ["\n\n".join([*map(_paragraph, prompt), "Assistant:"]) for prompt in prompts]
    ids: list[list[int]] = tokenizer(texts, split_special_tokens=True)["input_ids"]
    return ids


def _paragraph(turn: Turn) -> str:
    """A turn without blank lines, because a blank line separates turns in plain text."""
    lines = "\n".join(line for line in turn["content"].splitlines() if line.strip())
    return f"{turn['role'].capitalize()}: {lines}"


def _truncate(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Turn], ids: list[int], limit: int) -> EncodedPrompt:
    if len(ids) <= limit:
        return EncodedPrompt(ids, 0)
    bos = ids[:1] if ids[0] == tokenizer.bos_token_id else []
    available, reserved = limit - len(bos), len(_generation_prompt(tokenizer, prompt, ids))
    if available <= reserved:
        raise BadParams(
            f"a limit of {limit} prompt tokens leaves no token for the prompt: the chat template alone needs "
            f"{len(bos) + reserved}; raise model.max_prompt_tokens"
        )
    return EncodedPrompt(bos + ids[-available:], len(ids) - limit)


def _generation_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Turn], ids: list[int]) -> list[int]:
    """The tokens at the end of `ids` that start the assistant's turn."""
    if not tokenizer.chat_template:
        tokens: list[int] = tokenizer("\n\nAssistant:", add_special_tokens=False)["input_ids"]
        return tokens
    [turns_only] = _chat_ids(tokenizer, [prompt], generation_prompt=False)
    return ids[len(turns_only) :]
