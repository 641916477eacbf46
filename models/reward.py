"""The reward model, trained on preference pairs (Bradley–Terry) to predict which of two answers people choose."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import get_cosine_schedule_with_warmup

from core.errors import BadFeedback
from core.files import read_json, write_json
from core.log import Log, ignore
from core.settings import BaseSettings
from models import likelihood_start, packing_check, ranks, saved, token_counts
from models import pairs as comparisons
from models.allocation import compact
from models.compute import IN_FLOAT32, Compute
from models.critic import Critic
from models.launching import LaunchSettings
from models.measured import REWARD_ACCURACY, REWARD_GRAD_NORM, REWARD_LOSS, REWARD_MARGIN
from models.minibatches import map_microbatches
from models.pairs import EncodedComparisons, PairBatch
from models.policy import ModelSettings, Policy
from models.scorer import Scorer
from models.seeding import generator
from models.strength import StrengthSettings
from models.tokens import Batch, Turn, encode_answers, encode_prompts, pad
from models.training import adamw, clip, training
from models.truncation import Truncation, measure

NORMALISATION = "reward.json"
WORTH_PACKING = 0.85
"""Largest share of the operations for which prompts are computed once with all their answers (`models.packing`)."""


class RewardSettings(BaseSettings):
    """Training of the reward model on preference pairs."""

    epochs: int = Field(2, ge=1)
    """Epochs over the pairs. Use 1 for a large pretrained model, which overfits quickly (Ouyang et al. 2022, C.2)."""
    batch: int = Field(32, ge=1)
    """Prompts per gradient step, each with all its answers and pairs."""
    learning_rate: float = Field(7e-4, gt=0)
    """Peak learning rate (AdamW), followed by cosine decay to 0."""
    likelihood: float | None = Field(None, ge=0)
    """β, weight of the language model's log-likelihood in the score: score gained per nat above the average for answers
    of that length. 0 uses the scalar head alone; null is 0.2 for `model.base=scratch`, and 0 for a pretrained base."""
    warm_up: float = Field(0.1, ge=0, le=1)
    """Fraction of steps with linear warm-up of the learning rate."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay (AdamW)."""
    centring: float = Field(0.01, ge=0)
    """Coefficient of the regulariser (chosen + rejected)², which centres scores at 0 (Eisenstein et al. 2023)."""
    gradient_clip: float = Field(1.0, gt=0)
    """Gradient clipping threshold (L2 norm)."""
    max_equal_after_cut: float = Field(0.5, ge=0, le=1)
    """Largest share of pairs whose answers may be equal once they are cut to `model.max_answer_tokens`. Above it, the
    round stops before the reward model is trained."""
    strength: StrengthSettings = StrengthSettings()
    """Use of the strength of preferences, for example slightly or much better."""
    launch: LaunchSettings = LaunchSettings()
    """Training on several processes."""


@dataclass
class RewardModel:
    """A scorer, the normalisation of its scores, and the temperature of its probabilities.

    `model(batch)` is the reward for RL: the score, normalised to mean 0 and standard deviation 1 over the answers of
    the training pairs. The probability that the first answer of a pair is preferred is σ(margin / temperature), where
    the margin is the difference of the two raw scores.
    """

    scorer: Scorer
    prompt_limit: int
    """Maximum tokens of a prompt; longer ones are truncated on the left."""
    answer_limit: int
    """Maximum tokens of an answer; longer ones are truncated on the right."""
    mean: float = 0.0
    """Mean raw score of the training answers."""
    std: float = 1.0
    """Standard deviation of the raw scores of the training answers."""
    temperature: float = 1.0
    """Divides margins before σ; fitted on held-out pairs (`calibration.temperature`)."""
    truncated: int = 0
    """Number of prompts in the training data that were truncated on the left."""

    def __call__(self, batch: Batch) -> Tensor:
        """Normalised score of each text: (B,) float32."""
        return (self.raw(batch) - self.mean) / self.std

    def raw(self, batch: Batch) -> Tensor:
        """Score of each text before normalisation: (B,) float32; differences are log-odds."""
        return map_microbatches(self.scorer, batch, self.scorer.network.compute.microbatch_tokens)

    @torch.no_grad()
    def _raw_of(self, batch: PairBatch) -> Tensor:
        """As `raw`, of a microbatch of texts that may be packed."""
        return self.scorer(batch.texts, batch.counts) if batch.counts else self.raw(batch.texts)

    def score(self, prompts: Sequence[Sequence[Turn]], answers: Sequence[str]) -> Tensor:
        """Normalised score of each answer to its prompt: (n,) float32.

        Raises:
            BadFeedback, BadParams: see `encode_prompts`.
        """
        tokenizer = self.scorer.tokenizer
        contexts = [encoded.ids for encoded in encode_prompts(tokenizer, prompts, self.prompt_limit)]
        texts = encode_answers(tokenizer, answers, self.answer_limit)
        return self(pad(contexts, texts, tokenizer.pad_token_id))

    def margins(self, data: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
        """Raw score of chosen minus rejected for each row: (n,) float64, log-odds at temperature 1."""
        encoded = comparisons.encode(self.scorer.tokenizer, data, self.prompt_limit, self.answer_limit)
        margins = np.zeros(len(data))
        for batch in _parts(self.scorer, _packed_if_worth(self.scorer, encoded)):
            scores = self._raw_of(batch).cpu()
            margins[batch.row.numpy()] = (scores[batch.chosen] - scores[batch.rejected]).numpy()
        return margins

    def truncation(self, data: Sequence[Mapping[str, Any]]) -> Truncation:
        """What the token limits of this model cut from rows with prompt, chosen and rejected."""
        return measure(self.scorer.tokenizer, data, self.prompt_limit, self.answer_limit)

    def critic(self) -> Critic:
        """A critic initialised from this model, with values in units of the normalised score."""
        return self.scorer.critic(self.std)

    def save(self, folder: Path) -> None:
        """Write weights, tokenizer and normalisation to one folder, atomically. All ranks call it.

        Raises:
            BadModel: loaded again, it gives other scores or probabilities; nothing is kept then.
        """

        def work(draft: Path) -> None:
            self.scorer.save(draft)
            ranks.once(lambda: write_json(draft / NORMALISATION, self._normalisation))
            ranks.wait()
            self._check_saved(draft)

        ranks.write(folder, work, together=self.scorer.network.divided)

    @property
    def _normalisation(self) -> dict[str, float]:
        """What belongs to the scores in addition to the scorer, by field."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "scorer"}

    def _check_saved(self, folder: Path) -> None:
        network = self.scorer.network
        again = RewardModel.of(Policy(network.reload(folder), self.scorer.tokenizer), folder)
        batch = saved.probe(network)
        saved.check(self(batch), again(batch), str(folder))
        saved.check_numbers(self._normalisation, again._normalisation, str(folder / NORMALISATION))
        again.scorer.network.release()

    @classmethod
    def load(cls, folder: Path, compute: Compute = IN_FLOAT32) -> "RewardModel":
        """Load a folder that `save` wrote, of a reward model that is no adapter.

        Raises:
            BadModel: the folder does not hold a reward model.
        """
        return cls.of(Policy.load(folder, compute), folder)

    @classmethod
    def of(cls, policy: Policy, folder: Path) -> "RewardModel":
        """The reward model of a folder, around the network that was loaded from it.

        Raises:
            BadModel: the folder does not hold a reward model.
        """
        return cls(Scorer.load(policy, folder), **read_json(folder / NORMALISATION))


class PairMetrics(NamedTuple):
    """Sums over the comparisons of a minibatch, so that those of its parts can be added up: scalars."""

    loss: Tensor
    """Weighted loss, in nats."""
    margin: Tensor
    """Margins."""
    pairs: Tensor
    """Number of comparisons."""
    correct: Tensor
    """Number of decided ones for which the score prefers the same answer as the votes."""
    decided: Tensor
    """Number that are no tie."""

    def plus(self, other: "PairMetrics") -> "PairMetrics":
        """The sums over the comparisons of both."""
        return PairMetrics(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def times(self, factor: float) -> "PairMetrics":
        """The sums, multiplied."""
        return PairMetrics(*(factor * mine for mine in self))

    def means(self) -> dict[str, float]:
        """The metrics of the minibatch."""
        loss, margin, pairs, correct, decided = torch.stack(self).tolist()
        metrics: dict[str, float] = {REWARD_LOSS: loss, REWARD_MARGIN: margin / pairs}
        return {**metrics, REWARD_ACCURACY: correct / decided} if decided else metrics


def fit(
    base: Policy,
    data: Sequence[Mapping[str, Any]],
    knobs: RewardSettings,
    limits: ModelSettings,
    seed: int,
    log: Log = ignore,
    name: str = "reward",
) -> RewardModel:
    """Train a reward model on rows with prompt (turns), chosen, rejected, p_chosen (soft label), weight and strength.

    It starts from a copy of `base`, which is not changed. `limits` gives the maximum tokens of prompts and answers,
    `name` is its role.

    Raises:
        BadFeedback, BadParams: see `fit_in_place`.
    """
    return fit_in_place(base.copy(name), data, knobs, limits, seed, log)


def fit_in_place(
    base: Policy,
    data: Sequence[Mapping[str, Any]],
    knobs: RewardSettings,
    limits: ModelSettings,
    seed: int,
    log: Log = ignore,
) -> RewardModel:
    """As `fit`, but the network of `base` itself becomes that of the reward model, so that there is one in memory.

    Raises:
        BadFeedback: there are no rows.
        BadFeedback, BadParams: see `encode_prompts`.
    """
    if not len(data):
        raise BadFeedback("no preference pairs to train on; ingest feedback or relax the filters of `curate`")
    tokens = limits.max_prompt_tokens, limits.max_answer_tokens
    encoded = comparisons.encode(base.tokenizer, data, *tokens, knobs.strength)
    model = _untrained(base, encoded, knobs, limits)
    encoded = _packed_if_worth(model.scorer, encoded)
    _train(model.scorer, encoded, knobs, generator(seed), log)
    _normalise(model, encoded)
    return model


def start(
    base: Policy, data: Sequence[Mapping[str, Any]], knobs: RewardSettings, limits: ModelSettings
) -> RewardModel | None:
    """The reward model before training on these rows: the likelihood term alone. None if it is not used (β = 0).

    Raises:
        BadFeedback, BadParams: see `encode_prompts`.
    """
    if not likelihood_start.weight(knobs.likelihood, limits.base):
        return None
    encoded = comparisons.encode(base.tokenizer, data, limits.max_prompt_tokens, limits.max_answer_tokens)
    return _untrained(base.copy("start"), encoded, knobs, limits)


def _untrained(base: Policy, encoded: EncodedComparisons, knobs: RewardSettings, limits: ModelSettings) -> RewardModel:
    """The network of `base` with a head of zeros."""
    likelihood = likelihood_start.weight(knobs.likelihood, limits.base)
    surprise = _mean_surprisal(base, encoded) if likelihood else 0.0
    scorer = Scorer(base.network, base.tokenizer, likelihood, surprise)
    return RewardModel(scorer, limits.max_prompt_tokens, limits.max_answer_tokens, truncated=encoded.truncated)


def _train(
    scorer: Scorer, encoded: EncodedComparisons, knobs: RewardSettings, shuffle: torch.Generator, log: Log
) -> None:
    parameters = scorer.parameters()
    optimiser = adamw(parameters, lr=knobs.learning_rate, weight_decay=knobs.weight_decay)
    total = knobs.epochs * -(-len(encoded.prompts) // knobs.batch)
    schedule = get_cosine_schedule_with_warmup(optimiser, round(knobs.warm_up * total), total)
    epochs = (encoded.minibatches(knobs.batch, shuffle) for _ in range(knobs.epochs))
    with training(optimiser), compact(scorer.network.device, scorer.network.compute.compact):
        for step, prompts in enumerate(prompts for minibatches in epochs for prompts in minibatches):
            optimiser.zero_grad()
            metrics = _accumulate(scorer, encoded, prompts, knobs.centring)
            norm = clip(parameters, knobs.gradient_clip)
            optimiser.step()
            schedule.step()
            log({**metrics, REWARD_GRAD_NORM: norm.item()}, step, total)


def _accumulate(
    scorer: Scorer, encoded: EncodedComparisons, prompts: Sequence[int], centring: float
) -> dict[str, float]:
    """Add up the gradients of a minibatch, one microbatch at a time; returns its metrics."""
    weight, sums = encoded.total_weight(prompts), None
    token_counts.count_trained(sum(encoded.packed_lengths[prompt] for prompt in prompts))
    for part, share in encoded.shared_microbatches(prompts, scorer.network.compute.microbatch_tokens):
        batch = encoded.collate(part, scorer.tokenizer.pad_token_id)
        loss, metrics = preference_loss(scorer(batch.texts, batch.counts), batch, centring, weight)
        torch.autograd.backward(share * loss)
        metrics = metrics.times(share)
        sums = metrics if sums is None else sums.plus(metrics)
    if sums is None:
        return {}
    ranks.add_up_gradients(scorer.parameters())
    ranks.add_up(sums)
    return sums.means()


def preference_loss(
    scores: Tensor, batch: PairBatch, centring: float, total_weight: float
) -> tuple[Tensor, PairMetrics]:
    """Weighted Bradley–Terry loss with soft labels: -[p log σ(d) + (1 - p) log σ(-d)], d = chosen - rejected - margin.

    With p = 1 it is the loss of Ouyang et al. 2022, eq. 1; a tie (p = ½) pulls the two scores together.

    Args:
        scores: score of each text of `batch`, (B,).
        batch: the comparisons, with labels and weights: a minibatch, or a part of one.
        centring: coefficient of the regulariser (chosen + rejected)².
        total_weight: sum of the weights of the minibatch; may be 0.

    Returns:
        The part's share of the loss, a scalar in nats plus the regulariser, and its metrics.
    """
    weight = batch.weight.to(scores) / max(total_weight, torch.finfo(scores.dtype).tiny)
    p = batch.p.to(scores)
    chosen, rejected = scores[batch.chosen], scores[batch.rejected]  # (P,)
    margin = chosen - rejected
    logits = margin - batch.margin.to(scores)
    loss = (weight * binary_cross_entropy_with_logits(logits, p, reduction="none")).sum()
    penalty = (weight * (chosen + rejected).square()).sum()
    decided = p != 0.5  # not a tie
    correct = decided & ((margin > 0) == (p > 0.5))
    sums = (loss.detach(), margin.detach().sum(), p.new_tensor(len(p)), correct.sum(), decided.sum())
    return loss + centring * penalty, PairMetrics(*(value.float() for value in sums))


def _packed_if_worth(scorer: Scorer, encoded: EncodedComparisons) -> EncodedComparisons:
    """The comparisons, packed if that saves enough and the model computes packed rows right.

    With a likelihood term they are not packed, so that weights of rounds from scratch stay as they are, bit for bit.
    """
    if scorer.likelihood or encoded.packed_share(scorer.network.width) > WORTH_PACKING:
        return encoded
    if max(encoded.packed_lengths) > scorer.network.compute.microbatch_tokens:  # the mask of a row is quadratic
        return encoded
    return replace(encoded, packed=True) if packing_check.accepts(scorer.network) else encoded


def _parts(scorer: Scorer, encoded: EncodedComparisons) -> Iterator[PairBatch]:
    return encoded.all_parts(scorer.network.compute.microbatch_tokens, scorer.tokenizer.pad_token_id)


@torch.no_grad()
def _mean_surprisal(base: Policy, encoded: EncodedComparisons) -> float:
    """Mean negative log-probability per token of the distinct answers under `base`, in nats."""
    nats = tokens = 0.0
    for batch in encoded.all_parts(base.network.compute.microbatch_tokens, base.tokenizer.pad_token_id):
        nats -= base.logprobs(batch.texts).sum().item()
        tokens += batch.texts.response.sum().item()
    return nats / tokens


@torch.no_grad()
def _normalise(model: RewardModel, encoded: EncodedComparisons) -> None:
    """Set the mean and standard deviation of the raw scores, over all distinct answers.

    The mean head score is subtracted from the head's bias. Comparisons do not depend on the bias; a critic initialised
    from the head then starts with values of mean 0.
    """
    parts = [model.scorer.parts(batch.texts, batch.counts) for batch in _parts(model.scorer, encoded)]
    head_scores, priors = (torch.cat(column) for column in zip(*parts, strict=True))
    model.scorer.head.bias.sub_(head_scores.mean())
    scores = head_scores - head_scores.mean() + priors
    model.mean, model.std = scores.mean().item(), max(scores.std(correction=0).item(), 1e-6)
