"""Rollouts: answers sampled from the policy, with the log-probability of every token taken.

A hand-written loop over the model's own forward and key-value cache. Rows that have ended leave the batch. Each row
draws from its own uniform numbers, so that an answer does not depend (but for rounding) on which rows it shared a
batch with.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from transformers import DynamicCache

from core.knobs import BaseSettings
from core.log import Log, ignore
from models.policy import Policy
from models.tokens import Batch, by_length, decode_answer, pad


class SamplingSettings(BaseSettings):
    """How answers are drawn."""

    temperature: float = Field(1.0, gt=0)
    """Divides the logits, in drawing and in every log-probability."""
    batch: int = Field(128, ge=1)
    """Prompts answered at once."""


class Rollout(NamedTuple):
    """Prompts and sampled answers, in the order the prompts were given, on the model's device."""

    batch: Batch
    logprobs: Tensor
    """(B, T) float32, aligned with the tokens as in `response_logprobs`; 0 outside the answer"""
    answers: list[str]
    ended: Tensor
    """(B,) bool: the answer ends with EOS, it was not cut"""


class SampledAnswer(NamedTuple):
    """The sampled tokens of one row, and their log-probabilities."""

    ids: list[int]
    logprobs: list[float]


@torch.no_grad()
def sample(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    sampling: SamplingSettings,
    limit: int,
    generator: torch.Generator,
    greedy: bool = False,
    log: Log = ignore,
) -> Rollout:
    """One answer of at most `limit` tokens (EOS included) to each prompt; `greedy` takes the likeliest tokens.

    `generator` lives on the CPU. It gives every (prompt, position) its uniform number before anything is sampled.
    """
    uniforms = torch.rand(len(prompts), limit, dtype=torch.float64, generator=generator)
    answers: dict[int, SampledAnswer] = {}
    batches = by_length([len(prompt) for prompt in prompts], sampling.batch, None)
    for step, rows in enumerate(batches):
        draws = None if greedy else uniforms[rows].to(policy.device)
        answers.update(zip(rows, _answer(policy, [prompts[row] for row in rows], sampling, limit, draws), strict=True))
        log({"answers": len(answers)}, step, len(batches))
    return _rollout(policy, prompts, [answers[row] for row in range(len(prompts))])


def _answer(
    policy: Policy, prompts: Sequence[Sequence[int]], sampling: SamplingSettings, limit: int, draws: Tensor | None
) -> list[SampledAnswer]:
    """Answers to one batch of prompts; draws (B, limit) picks the tokens, None the likeliest ones."""
    tokens, mask = (part.to(policy.device) for part in _pad_left(prompts, policy.tokenizer.pad_token_id))
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    ends = torch.tensor(policy.ends, device=policy.device)
    cache = DynamicCache(config=policy.model.config)
    rows = torch.arange(len(prompts), device=policy.device)
    taken: list[tuple[Tensor, Tensor, Tensor]] = []  # row, token, log-probability: one entry a step
    for step in range(limit):
        logits = _next_logits(policy, tokens, mask, positions, cache)
        logprobs = (logits / sampling.temperature).log_softmax(dim=-1)  # (rows, V)
        chosen = logprobs.argmax(dim=-1) if draws is None else _draw(logprobs, draws[rows, step])
        taken.append((rows, chosen, logprobs.gather(1, chosen[:, None])[:, 0]))
        going = (~torch.isin(chosen, ends)).nonzero()[:, 0]
        if len(going) == 0:
            break
        if len(going) < len(rows):
            rows, chosen, mask, positions = rows[going], chosen[going], mask[going], positions[going]
            cache.batch_select_indices(going)
        tokens, positions = chosen[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return _collect(taken, len(prompts))


def _next_logits(policy: Policy, tokens: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
    """Logits of the token after the last column: (rows, V) float32. The cache takes in `tokens`."""
    logits: Tensor = policy.model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits
    return logits[:, -1].float()


def _draw(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """One token a row by inversion: the first whose cumulative probability exceeds the row's number in [0, 1)."""
    cumulative = logprobs.exp().cumsum(dim=-1, dtype=torch.float64)
    threshold = uniforms[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True)[:, 0].clamp(max=logprobs.shape[1] - 1)


def _pad_left(prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids and mask (B, T): all prompts end in the last column."""
    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    lengths = torch.tensor([[len(prompt)] for prompt in prompts])
    return ids, torch.arange(width) >= width - lengths


def _collect(taken: list[tuple[Tensor, Tensor, Tensor]], count: int) -> list[SampledAnswer]:
    answers = [SampledAnswer([], []) for _ in range(count)]
    for rows, tokens, logprobs in taken:
        for row, token, logprob in zip(rows.tolist(), tokens.tolist(), logprobs.tolist(), strict=True):
            answers[row].ids.append(token)
            answers[row].logprobs.append(logprob)
    return answers


def _rollout(policy: Policy, prompts: Sequence[Sequence[int]], answers: Sequence[SampledAnswer]) -> Rollout:
    ids, ends = [answer.ids for answer in answers], policy.ends
    batch = pad(prompts, ids, policy.tokenizer.pad_token_id).to(policy.device)
    logprobs = torch.tensor([value for answer in answers for value in answer.logprobs], device=policy.device)
    return Rollout(
        batch,
        torch.zeros(batch.ids.shape, device=policy.device).masked_scatter(batch.response, logprobs),
        [decode_answer(policy.tokenizer, row) for row in ids],
        torch.tensor([row[-1] in ends for row in ids], device=policy.device),
    )
