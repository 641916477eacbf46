"""From conversations to padded tensors, and what a turn looks like to the model.

The template of the tokenizer decides. A tokenizer without one gets the plain form, and answers begin with a space:

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

Turn = Mapping[str, str]
"""{"role": "system" | "user" | "assistant", "content": …}"""

ROLES = ("system", "user", "assistant")


class EncodedPrompt(NamedTuple):
    """A prompt as token ids."""

    ids: list[int]
    truncated: int
    """Tokens cut off on the left."""


class Batch(NamedTuple):
    """Prompts with their answers, padded on the right: real tokens never see padding under a causal mask."""

    ids: Tensor
    """(B, T) int64"""
    mask: Tensor
    """(B, T) bool: real tokens. Never derived from `ids != pad`: padding may be the EOS token."""
    response: Tensor
    """(B, T) bool: tokens of the answer, its EOS included."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(*(tensor.to(device) for tensor in self))


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: Iterable[Sequence[Turn]], limit: int
) -> list[EncodedPrompt]:
    """Conversations up to where the assistant's answer begins, each cut on the left to `limit` tokens.

    Text inside a turn cannot forge one: control tokens in it are spelt out as ordinary text. A cut leaves a leading
    BOS token and the template's tail (what announces the answer) in place.

    Raises:
        BadFeedback: an empty prompt, an unknown role, or an order of turns that the template refuses.
        BadParams: `limit` is too small to keep more than the template's tail.
    """
    turns = [_turns(prompt) for prompt in prompts]
    if not turns:
        return []
    encoded = _chat_ids(tokenizer, turns) if tokenizer.chat_template else _plain_ids(tokenizer, turns)
    return [_cut(tokenizer, prompt, ids, limit) for prompt, ids in zip(turns, encoded, strict=True)]


def encode_answers(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], limit: int, end: bool = True
) -> list[list[int]]:
    """Each answer's token ids, at most `limit`; `end` appends EOS where it fits: a cut answer has not ended."""
    spelt = [text if tokenizer.chat_template else f" {text}" for text in texts]
    if not spelt:
        return []
    encoded: list[list[int]] = tokenizer(spelt, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [([*ids, tokenizer.eos_token_id] if end else ids)[:limit] for ids in encoded]


def decode_answer(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text of an answer: no special tokens, no blanks around it."""
    text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text.strip()


def pad(prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], pad_id: int) -> Batch:
    """Prompt and answer of each row side by side, padded on the right to the longest row.

    Raises:
        BadFeedback: an empty prompt; nothing would predict the first token of its answer.
    """
    if not all(prompts):
        row = [len(prompt) for prompt in prompts].index(0)
        raise BadFeedback(f"prompt {row} of the batch has no tokens; encode it with its turns around it")
    rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    width = max(map(len, rows), default=0)
    ids = torch.tensor([row + [pad_id] * (width - len(row)) for row in rows], dtype=torch.int64)
    position = torch.arange(width)
    mask = position < torch.tensor([len(row) for row in rows])[:, None]
    answered = position >= torch.tensor([len(prompt) for prompt in prompts])[:, None]
    return Batch(ids.reshape(len(rows), width), mask, mask & answered)


def by_length(lengths: Sequence[int], size: int, generator: torch.Generator | None) -> list[list[int]]:
    """Row numbers in minibatches of similar length, so that little is padded; order and equals shuffled."""
    if generator is None:
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        return [order[start : start + size] for start in range(0, len(order), size)]
    shuffled = torch.randperm(len(lengths), generator=generator).tolist()
    order = sorted(shuffled, key=lengths.__getitem__)
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def _turns(prompt: Sequence[Turn]) -> list[Turn]:
    if not prompt:
        raise BadFeedback("a prompt without turns; give at least one user turn")
    for index, turn in enumerate(prompt):
        if turn["role"] not in ROLES:
            raise BadFeedback(f"turn {index} has role {turn['role']!r}; a turn's role is one of {', '.join(ROLES)}")
    return [{"role": turn["role"], "content": turn["content"]} for turn in prompt]


def _chat_ids(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[Turn]], announce: bool = True
) -> list[list[int]]:
    # changes nothing where no control token is written out, and costs more than all the rest
    contents = {turn["content"] for prompt in prompts for turn in prompt}
    suspicious = any(token in content for token in tokenizer.added_tokens_encoder for content in contents)
    try:
        ids: list[list[int]] = tokenizer.apply_chat_template(
            prompts, add_generation_prompt=announce, sanitize_control_tokens=suspicious, return_dict=False
        )
    except TemplateError as error:
        if len(prompts) > 1:  # one of them; which?
            return [ids for prompt in prompts for ids in _chat_ids(tokenizer, [prompt], announce)]
        roles = " ".join(turn["role"] for turn in prompts[0])
        raise BadFeedback(f"the chat template refuses the turns [{roles}]: {error}") from error
    return ids


def _plain_ids(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[Turn]]) -> list[list[int]]:
    texts = ["\n\n".join([*map(_paragraph, prompt), "Assistant:"]) for prompt in prompts]
    ids: list[list[int]] = tokenizer(texts, split_special_tokens=True)["input_ids"]
    return ids


def _paragraph(turn: Turn) -> str:
    """A turn without blank lines: in the plain form a blank line is what begins the next one."""
    lines = "\n".join(line for line in turn["content"].splitlines() if line.strip())
    return f"{turn['role'].capitalize()}: {lines}"


def _cut(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Turn], ids: list[int], limit: int) -> EncodedPrompt:
    if len(ids) <= limit:
        return EncodedPrompt(ids, 0)
    head = ids[:1] if ids[0] == tokenizer.bos_token_id else []
    room, tail = limit - len(head), len(_tail(tokenizer, prompt, ids))
    if room <= tail:
        raise BadParams(
            f"a limit of {limit} prompt tokens keeps no word of the prompt: the template alone needs "
            f"{len(head) + tail}; raise model.max_prompt_tokens"
        )
    return EncodedPrompt(head + ids[-room:], len(ids) - limit)


def _tail(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Turn], ids: list[int]) -> list[int]:
    """What announces the answer, at the end of `ids`."""
    if not tokenizer.chat_template:
        tail: list[int] = tokenizer("\n\nAssistant:", add_special_tokens=False)["input_ids"]
        return tail
    [unannounced] = _chat_ids(tokenizer, [prompt], announce=False)
    return ids[len(unannounced) :]
