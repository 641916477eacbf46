"""Rollouts: answers sampled from the policy, with the log-probability of every sampled token.

A decoding loop over the model's forward pass and key-value cache. Rows that have ended are removed from the batch. Each
row has its own uniform random numbers, so that an answer does not depend (except for rounding) on the other rows of its
batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from transformers import DynamicCache

from core.log import Log, ignore
from core.settings import BaseSettings
from models.policy import Policy
from models.tokens import Batch, by_length, decode_answer, pad


class SamplingSettings(BaseSettings):
    """How answers are sampled."""

    temperature: float = Field(1.0, gt=0)
    """Sampling temperature: divides the logits, both for sampling and in all log-probabilities."""
    batch: int = Field(128, ge=1)
    """Prompts per batch."""


class Rollout(NamedTuple):
    """Prompts with sampled answers, in the order of the prompts, on the model's device."""

    batch: Batch
    logprobs: Tensor
    """(B, T) float32, aligned with the tokens as in `response_logprobs`; 0 outside the answer"""
    answers: list[str]
    ended: Tensor
    """(B,) bool: the answer ends with EOS; False if it was truncated at the limit"""


class SampledAnswer(NamedTuple):
    """The sampled token ids of one row, and their log-probabilities in nats."""

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
    """Sample one answer of at most `limit` tokens (EOS included) per prompt; `greedy` takes the most likely tokens.

    `prompts` are token ids, padded on the left for decoding. `generator` is on the CPU: it draws the uniform numbers of
    all prompts and positions, (prompts, limit), before sampling starts.
    """
    uniforms = torch.rand(len(prompts), limit, dtype=torch.float64, generator=generator)
    answers: dict[int, SampledAnswer] = {}
    batches = by_length([len(prompt) for prompt in prompts], sampling.batch, None)
    for step, rows in enumerate(batches):
        batch_uniforms = None if greedy else uniforms[rows].to(policy.device)
        with policy.network.running():
            sampled = _answer(policy, [prompts[row] for row in rows], sampling, limit, batch_uniforms)
        answers.update(zip(rows, sampled, strict=True))
        log({"answers": len(answers)}, step, len(batches))
    return _rollout(policy, prompts, [answers[row] for row in range(len(prompts))])


def _answer(
    policy: Policy, prompts: Sequence[Sequence[int]], sampling: SamplingSettings, limit: int, uniforms: Tensor | None
) -> list[SampledAnswer]:
    """Answers to one batch of prompts, from uniform numbers (B, limit); None decodes greedily."""
    tokens, mask = (part.to(policy.device) for part in _pad_left(prompts, policy.tokenizer.pad_token_id))
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    end_ids = torch.tensor(policy.end_ids, device=policy.device)
    cache = DynamicCache(config=policy.model.config)
    rows = torch.arange(len(prompts), device=policy.device)
    sampled: list[tuple[Tensor, Tensor, Tensor]] = []  # (rows, tokens, log-probabilities) of each step
    for step in range(limit):
        logits = _next_logits(policy, tokens, mask, positions, cache)
        logprobs = (logits / sampling.temperature).log_softmax(dim=-1)  # (rows, V)
        chosen = logprobs.argmax(dim=-1) if uniforms is None else _draw(logprobs, uniforms[rows, step])  # (rows,)
        sampled.append((rows, chosen, logprobs.gather(1, chosen[:, None])[:, 0]))
        active = (~torch.isin(chosen, end_ids)).nonzero()[:, 0]  # rows without EOS so far
        if len(active) == 0:
            break
        if len(active) < len(rows):
            rows, chosen, mask, positions = rows[active], chosen[active], mask[active], positions[active]
            cache.batch_select_indices(active)
        tokens, positions = chosen[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return _collect(sampled, len(prompts))


def _next_logits(policy: Policy, tokens: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
    """Logits of the next token: (rows, V) float32. Appends `tokens` (rows, new tokens) to the cache."""
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
    """One token per row by inverse transform sampling, from uniform numbers (rows,) in [0, 1): (rows,) int64."""
    cumulative = logprobs.exp().cumsum(dim=-1, dtype=torch.float64)
    threshold = uniforms[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True)[:, 0].clamp(max=logprobs.shape[1] - 1)


def _pad_left(prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids and mask, (B, T) each, padded on the left: every prompt ends in the last column."""
    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    lengths = torch.tensor([[len(prompt)] for prompt in prompts])
    return ids, torch.arange(width) >= width - lengths


def _collect(sampled: list[tuple[Tensor, Tensor, Tensor]], count: int) -> list[SampledAnswer]:
    answers = [SampledAnswer([], []) for _ in range(count)]
    for rows, tokens, logprobs in sampled:
        for row, token, logprob in zip(rows.tolist(), tokens.tolist(), logprobs.tolist(), strict=True):
            answers[row].ids.append(token)
            answers[row].logprobs.append(logprob)
    return answers


def _rollout(policy: Policy, prompts: Sequence[Sequence[int]], answers: Sequence[SampledAnswer]) -> Rollout:
    ids, end_ids = [answer.ids for answer in answers], policy.end_ids
    batch = pad(prompts, ids, policy.tokenizer.pad_token_id).to(policy.device)
    logprobs = torch.tensor([value for answer in answers for value in answer.logprobs], device=policy.device)
    return Rollout(
        batch,
        torch.zeros(batch.ids.shape, device=policy.device).masked_scatter(batch.response, logprobs),
        [decode_answer(policy.tokenizer, row) for row in ids],
        torch.tensor([row[-1] in end_ids for row in ids], device=policy.device),
    )
