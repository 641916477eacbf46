"""Supervised fine-tuning: the policy learns to give the demonstrated answers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from transformers import PreTrainedTokenizerBase, get_cosine_schedule_with_warmup

from core.errors import BadParams
from core.knobs import BaseSettings
from core.log import Log, ignore
from models.policy import ModelSettings, Policy, response_logprobs
from models.seeding import generator
from models.tokens import Batch, by_length, encode_answers, encode_prompts, pad


class SFTSettings(BaseSettings):
    """How the policy learns from demonstrations."""

    epochs: int = Field(3, ge=1)
    """Passes over the demonstrations."""
    batch: int = Field(32, ge=1)
    """Demonstrations a step."""
    learning_rate: float = Field(4e-3, gt=0)
    """Peak of AdamW's learning rate, for a small model from scratch; 1e-5 suits a pretrained one."""
    warm_up: float = Field(0.05, ge=0, le=1)
    """Share of the steps in which the learning rate rises; a cosine then takes it to 0."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay of AdamW."""
    gradient_clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""


class TokenisedDemonstrations(NamedTuple):
    """Tokenised demonstrations, row by row."""

    prompts: list[list[int]]
    answers: list[list[int]]
    weights: Tensor
    """(n,) float32"""
    truncated: int
    """Prompts that lost tokens on their left."""


def fit(
    policy: Policy,
    data: Sequence[Mapping[str, Any]],
    knobs: SFTSettings,
    limits: ModelSettings,
    seed: int,
    log: Log = ignore,
) -> dict[str, float]:
    """Train `policy` in place on rows with prompt (turns), completion (text) and weight; no rows change nothing.

    Returns how many demonstrations it saw, how many prompts were cut, and the loss of the last epoch (nats per token).

    Raises:
        BadParams: the learning rate is so high that the loss is no number any more.
    """
    shown = encode(policy.tokenizer, data, limits)
    summary = {"examples": float(len(shown.prompts)), "truncated": float(shown.truncated)}
    losses = _learn(policy, shown, knobs, seed, log)
    last_epoch = losses[-(len(losses) // knobs.epochs) :]
    return {**summary, "loss": sum(last_epoch) / len(last_epoch)} if losses else summary


def _learn(policy: Policy, shown: TokenisedDemonstrations, knobs: SFTSettings, seed: int, log: Log) -> list[float]:
    """The loss of every step."""
    plan, losses = _minibatches(shown, knobs, seed), []
    weights = list(policy.model.parameters())
    optimiser = torch.optim.AdamW(weights, knobs.learning_rate, weight_decay=knobs.weight_decay, fused=True)
    schedule = get_cosine_schedule_with_warmup(optimiser, round(knobs.warm_up * len(plan)), len(plan))
    for step, rows in enumerate(plan):
        batch = pad([shown.prompts[i] for i in rows], [shown.answers[i] for i in rows], policy.tokenizer.pad_token_id)
        loss = answer_loss(policy, batch, shown.weights[rows])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(weights, knobs.gradient_clip)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise BadParams(f"the loss of step {step} is {losses[-1]}; lower sft.learning_rate={knobs.learning_rate}")
        log({"loss": losses[-1], "grad_norm": norm.item()}, step, len(plan))
    return losses


def _minibatches(shown: TokenisedDemonstrations, knobs: SFTSettings, seed: int) -> list[list[int]]:
    """Row numbers of every step of every epoch."""
    draw = generator(seed)
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(shown.prompts, shown.answers, strict=True)]
    return [rows for _ in range(knobs.epochs) for rows in by_length(lengths, knobs.batch, draw)]


def encode(
    tokenizer: PreTrainedTokenizerBase, data: Sequence[Mapping[str, Any]], limits: ModelSettings
) -> TokenisedDemonstrations:
    """Tokenise rows with prompt, completion and weight, once for all epochs."""
    rows = list(data)
    prompts = encode_prompts(tokenizer, [row["prompt"] for row in rows], limits.max_prompt_tokens)
    answers = encode_answers(tokenizer, [row["completion"] for row in rows], limits.max_answer_tokens)
    weights = torch.tensor([row["weight"] for row in rows], dtype=torch.float32)
    return TokenisedDemonstrations([p.ids for p in prompts], answers, weights, sum(p.truncated > 0 for p in prompts))


def answer_loss(policy: Policy, batch: Batch, weights: Tensor) -> Tensor:
    """Mean negative log-probability of the answers' tokens, each weighted like its row (B,): a scalar, in nats."""
    logprobs = response_logprobs(policy.model, batch)
    shares = (weights[:, None] * batch.response).to(logprobs)  # (B, T)
    return -(shares * logprobs).sum() / shares.sum().clamp(min=torch.finfo(shares.dtype).tiny)
