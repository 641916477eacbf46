"""The reward model: learns from preference pairs which of two answers people would choose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import get_cosine_schedule_with_warmup

from core.errors import BadFeedback
from core.files import read_json, write_json
from core.knobs import BaseSettings
from core.log import Log, ignore
from models import pairs as comparisons
from models.critic import Critic
from models.minibatches import each
from models.pairs import PairBatch, PromptComparisons
from models.policy import ModelSettings, Policy, response_logprobs
from models.scorer import Scorer
from models.seeding import generator
from models.tokens import Batch, Turn, encode_answers, encode_prompts, pad

NORMALISATION = "reward.json"
ROWS = 64  # texts in one forward pass without gradients


class RewardSettings(BaseSettings):
    """How the reward model learns."""

    epochs: int = Field(2, ge=1)
    """Passes over the pairs. 1 for a large pretrained model, which overfits soon (Ouyang et al. 2022, C.2)."""
    batch: int = Field(32, ge=1)
    """Prompts a step, each with all its answers and pairs."""
    learning_rate: float = Field(7e-4, gt=0)
    """Peak of AdamW's learning rate; a cosine takes it to 0."""
    likelihood: float = Field(0.2, ge=0)
    """β, what an answer gains for each nat by which the model's own language model finds it likelier than most of its
    length; 0: a head alone, as for a large model that learns from very many pairs."""
    warm_up: float = Field(0.1, ge=0, le=1)
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay of AdamW."""
    centring: float = Field(0.01, ge=0)
    """Weight of (chosen + rejected)², which keeps scores around 0 (Eisenstein et al. 2023)."""
    gradient_clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""


@dataclass
class RewardModel:
    """A scorer, the normalisation of its scores, and the temperature of its probabilities.

    `model(batch)` is what reinforcement learning maximises: normalised scores, mean 0 and standard deviation 1 over the
    answers of the training pairs. σ(margin / temperature) is the probability that the first answer of a pair wins.
    """

    scorer: Scorer
    prompt_limit: int
    answer_limit: int
    mean: float = 0.0
    std: float = 1.0
    temperature: float = 1.0
    truncated: int = 0
    """Prompts of the training data that lost tokens on their left."""

    def __call__(self, batch: Batch) -> Tensor:
        """Normalised score of each text: (B,) float32."""
        return (self.raw(batch) - self.mean) / self.std

    def raw(self, batch: Batch) -> Tensor:
        """Score of each text before normalisation: (B,) float32, in log-odds."""
        return each(self.scorer, batch, ROWS)

    def score(self, prompts: Sequence[Sequence[Turn]], answers: Sequence[str]) -> Tensor:
        """Normalised score of each answer to its prompt: (B,) float32."""
        tokenizer = self.scorer.tokenizer
        contexts = [encoded.ids for encoded in encode_prompts(tokenizer, prompts, self.prompt_limit)]
        texts = encode_answers(tokenizer, answers, self.answer_limit)
        return self(pad(contexts, texts, tokenizer.pad_token_id))

    def margins(self, data: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
        """Raw score of chosen minus rejected, in the order of the rows: (n,) log-odds at temperature 1."""
        encoded = comparisons.encode(self.scorer.tokenizer, data, self.prompt_limit, self.answer_limit)
        margins = np.zeros(len(data))
        for batch in comparisons.batches(encoded.comparisons, ROWS, self.scorer.tokenizer.pad_token_id):
            scores = self.raw(batch.texts).cpu()
            margins[batch.row.numpy()] = (scores[batch.chosen] - scores[batch.rejected]).numpy()
        return margins

    def critic(self) -> Critic:
        """A critic that starts from this model, in units of normalised scores."""
        return self.scorer.critic(self.std)

    def save(self, folder: Path) -> None:
        """Write weights, tokenizer and normalisation into one folder."""
        self.scorer.save(folder)
        facts = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "scorer"}
        write_json(folder / NORMALISATION, facts)

    @classmethod
    def load(cls, folder: Path) -> "RewardModel":
        """Read what `save` wrote.

        Raises:
            BadModel: the folder holds no reward model.
        """
        return cls(Scorer.load(folder), **read_json(folder / NORMALISATION))


def fit(
    base: Policy,
    data: Sequence[Mapping[str, Any]],
    knobs: RewardSettings,
    limits: ModelSettings,
    seed: int,
    log: Log = ignore,
) -> RewardModel:
    """Learn from rows with prompt (turns), chosen, rejected, p_chosen (soft label) and weight; `base` stays as it is.

    Raises:
        BadFeedback: there is no pair to learn from.
    """
    if not len(data):
        raise BadFeedback("no preference pair to learn from; ingest feedback or lower the filters of `curate`")
    encoded = comparisons.encode(base.tokenizer, data, limits.max_prompt_tokens, limits.max_answer_tokens)
    surprise = _surprise(base, encoded.comparisons) if knobs.likelihood else 0.0
    scorer = Scorer.from_policy(base, knobs.likelihood, surprise)
    _learn(scorer, encoded.comparisons, knobs, generator(seed), log)
    model = RewardModel(scorer, limits.max_prompt_tokens, limits.max_answer_tokens, truncated=encoded.truncated)
    _normalise(model, encoded.comparisons)
    return model


def _learn(
    scorer: Scorer, groups: Sequence[PromptComparisons], knobs: RewardSettings, draw: torch.Generator, log: Log
) -> None:
    optimiser = torch.optim.AdamW(scorer.parameters(), knobs.learning_rate, weight_decay=knobs.weight_decay)
    total = knobs.epochs * -(-len(groups) // knobs.batch)
    schedule = get_cosine_schedule_with_warmup(optimiser, round(knobs.warm_up * total), total)
    step = 0
    for _ in range(knobs.epochs):
        for batch in comparisons.batches(groups, knobs.batch, scorer.tokenizer.pad_token_id, draw):
            scores = scorer(batch.texts)
            loss, metrics = preference_loss(scores, batch, knobs.centring)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            norm = torch.nn.utils.clip_grad_norm_(scorer.parameters(), knobs.gradient_clip)
            optimiser.step()
            schedule.step()
            log({**metrics, "grad_norm": norm.item()}, step, total)
            step += 1


def preference_loss(scores: Tensor, batch: PairBatch, centring: float) -> tuple[Tensor, dict[str, float]]:
    """Bradley–Terry on soft labels, weighted: -[p log σ(d) + (1 - p) log σ(-d)], d = chosen - rejected.

    With p = 1 it is the loss of Ouyang et al. 2022, eq. 1; a tie (p = ½) pulls the two scores together.
    """
    weight = batch.weight.to(scores)
    weight = weight / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)  # a batch may weigh nothing
    p = batch.p.to(scores)
    chosen, rejected = scores[batch.chosen], scores[batch.rejected]
    margin = chosen - rejected
    loss = (weight * binary_cross_entropy_with_logits(margin, p, reduction="none")).sum()
    spread = (weight * (chosen + rejected).square()).sum()
    decided = p != 0.5
    right = (margin > 0) == (p > 0.5)
    metrics = {"loss": loss.item(), "margin": margin.mean().item()}
    if decided.any():
        metrics["accuracy"] = right[decided].float().mean().item()
    return loss + centring * spread, metrics


@torch.no_grad()
def _surprise(base: Policy, groups: Sequence[PromptComparisons]) -> float:
    """What a token of the distinct answers surprises the base by, on average, in nats."""
    nats = tokens = 0.0
    for batch in comparisons.batches(groups, ROWS, base.tokenizer.pad_token_id):
        nats -= response_logprobs(base.model, batch.texts).sum().item()
        tokens += batch.texts.response.sum().item()
    return nats / tokens


@torch.no_grad()
def _normalise(model: RewardModel, groups: Sequence[PromptComparisons]) -> None:
    """Note mean and spread of the scores of all distinct answers.

    The head's own mean goes out of its bias, which no comparison sees: a critic that starts from it expects the mean.
    """
    batches = comparisons.batches(groups, ROWS, model.scorer.tokenizer.pad_token_id)
    words, rest = (torch.cat(parts) for parts in zip(*(model.scorer.parts(b.texts) for b in batches), strict=True))
    model.scorer.head.bias.sub_(words.mean())
    scores = words - words.mean() + rest
    model.mean, model.std = scores.mean().item(), max(scores.std(correction=0).item(), 1e-6)
