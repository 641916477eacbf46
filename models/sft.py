"""Supervised fine-tuning (SFT) of the policy on demonstrations."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from transformers import PreTrainedTokenizerBase, get_cosine_schedule_with_warmup

from core.errors import BadParams
from core.log import Log, ignore
from core.settings import BaseSettings
from models import ranks, token_counts
from models.allocation import compact
from models.launching import LaunchSettings
from models.measured import SFT_CUT_ANSWERS, SFT_CUT_PROMPTS, SFT_EXAMPLES, SFT_GRAD_NORM, SFT_LOSS
from models.minibatches import shared_microbatches
from models.policy import ModelSettings, Policy
from models.seeding import generator
from models.tokens import Batch, by_length, encode_answers, encode_prompts, pad
from models.training import adamw, clip, training
from models.truncation import cut, cut_share


class SFTSettings(BaseSettings):
    """Supervised fine-tuning on demonstrations."""

    epochs: int = Field(3, ge=1)
    """Epochs over the demonstrations."""
    batch: int = Field(32, ge=1)
    """Demonstrations per gradient step."""
    learning_rate: float = Field(4e-3, gt=0)
    """Peak learning rate (AdamW). The default is for a small model from scratch; 1e-5 suits a pretrained model."""
    warm_up: float = Field(0.05, ge=0, le=1)
    """Fraction of steps with linear warm-up, followed by cosine decay to 0."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay (AdamW)."""
    gradient_clip: float = Field(1.0, gt=0)
    """Gradient clipping threshold (L2 norm)."""
    launch: LaunchSettings = LaunchSettings()
    """Training on several processes."""


class TokenisedDemonstrations(NamedTuple):
    """Tokenised demonstrations: the token ids of prompt and answer, and the weight, of each row."""

    prompts: list[list[int]]
    answers: list[list[int]]
    weights: Tensor
    """(n,) float32"""
    cut_prompts: float
    """Share of the prompts that were truncated on the left."""
    cut_answers: int
    """Number of answers that were truncated on the right."""

    @property
    def lengths(self) -> list[int]:
        """Number of tokens of each row."""
        return [len(prompt) + len(answer) for prompt, answer in zip(self.prompts, self.answers, strict=True)]


def fit(
    policy: Policy,
    data: Sequence[Mapping[str, Any]],
    knobs: SFTSettings,
    limits: ModelSettings,
    seed: int,
    log: Log = ignore,
) -> dict[str, float]:
    """Train `policy` in place on rows with prompt (turns), completion (text) and weight; without rows, it is unchanged.

    Returns the number of demonstrations (`examples`), what was truncated, and the mean loss of the last
    epoch (nats per token; absent without rows).

    Raises:
        BadFeedback, BadParams: see `encode_prompts`.
        BadParams: the loss is NaN or infinite, because the learning rate is too high.
    """
    encoded = encode(policy.tokenizer, data, limits)
    summary: dict[str, float] = {
        SFT_EXAMPLES: float(len(encoded.prompts)),
        SFT_CUT_PROMPTS: encoded.cut_prompts,
        SFT_CUT_ANSWERS: encoded.cut_answers / max(len(encoded.answers), 1),
    }
    losses = _train(policy, encoded, knobs, seed, log)
    last_epoch = losses[-(len(losses) // knobs.epochs) :]
    return {**summary, SFT_LOSS: sum(last_epoch) / len(last_epoch)} if losses else summary


def _train(policy: Policy, encoded: TokenisedDemonstrations, knobs: SFTSettings, seed: int, log: Log) -> list[float]:
    """Train in place; returns the loss of every step, in nats per token."""
    plan, losses = _minibatches(encoded, knobs, seed), []
    weights = policy.network.parameters()
    optimiser = adamw(weights, lr=knobs.learning_rate, weight_decay=knobs.weight_decay)
    schedule = get_cosine_schedule_with_warmup(optimiser, round(knobs.warm_up * len(plan)), len(plan))
    with training(optimiser), compact(policy.device, policy.network.compute.compact):
        for step, rows in enumerate(plan):
            optimiser.zero_grad()
            losses.append(_accumulate(policy, encoded, rows))
            norm = clip(weights, knobs.gradient_clip)
            optimiser.step()
            schedule.step()
            _check(losses[-1], step, knobs)
            log({SFT_LOSS: losses[-1], SFT_GRAD_NORM: norm.item()}, step, len(plan))
    return losses


def _check(loss: float, step: int, knobs: SFTSettings) -> None:
    if not math.isfinite(loss):
        raise BadParams(f"the loss of step {step} is {loss}; lower sft.learning_rate={knobs.learning_rate}")


def _accumulate(policy: Policy, encoded: TokenisedDemonstrations, rows: list[int]) -> float:
    """Add up the gradients of a minibatch, one microbatch at a time; returns its loss, in nats per token."""
    answer_lengths = torch.tensor([len(encoded.answers[row]) for row in rows])
    total_weight = (encoded.weights[rows] * answer_lengths).sum().item()
    loss = 0.0
    token_counts.count_trained(sum(encoded.lengths[row] for row in rows))
    for part, weight in shared_microbatches(encoded.lengths, rows, policy.network.compute.microbatch_tokens):
        prompts, answers = [encoded.prompts[i] for i in part], [encoded.answers[i] for i in part]
        batch = pad(prompts, answers, policy.tokenizer.pad_token_id)
        value = weight * answer_loss(policy, batch, encoded.weights[part], total_weight)
        torch.autograd.backward(value)
        loss += value.item()
    ranks.add_up_gradients(policy.network.parameters())
    return ranks.total(loss)


def _minibatches(encoded: TokenisedDemonstrations, knobs: SFTSettings, seed: int) -> list[list[int]]:
    """Row indices of each step, over all epochs."""
    shuffle = generator(seed)
    return [rows for _ in range(knobs.epochs) for rows in by_length(encoded.lengths, knobs.batch, shuffle)]


def encode(
    tokenizer: PreTrainedTokenizerBase, data: Sequence[Mapping[str, Any]], limits: ModelSettings
) -> TokenisedDemonstrations:
    """Tokenise rows with prompt (turns), completion (text) and weight.

    Raises:
        BadFeedback, BadParams: see `encode_prompts`.
    """
    rows = list(data)
    prompts = encode_prompts(tokenizer, [row["prompt"] for row in rows], limits.max_prompt_tokens)
    answers = encode_answers(tokenizer, [row["completion"] for row in rows], limits.max_answer_tokens)
    weights = torch.tensor([row["weight"] for row in rows], dtype=torch.float32)
    cut_answers = cut(tokenizer, [row["completion"] for row in rows], limits.max_answer_tokens)
    return TokenisedDemonstrations(
        [prompt.ids for prompt in prompts], answers, weights, cut_share(prompts), cut_answers
    )


def answer_loss(policy: Policy, batch: Batch, weights: Tensor, total_weight: float) -> Tensor:
    """Weighted negative log-likelihood of the answer tokens, with a weight per row (B,): a scalar, in nats.

    Over all microbatches of a minibatch it sums up to the weighted mean, if `total_weight` is the weight of all answer
    tokens of the minibatch.
    """
    logprobs = policy.logprobs(batch)
    token_weights = (weights[:, None] * batch.response).to(logprobs)  # (B, T)
    return -(token_weights * logprobs).sum() / max(total_weight, torch.finfo(token_weights.dtype).tiny)
