"""Why an answer got its score: how much of it each piece of the text brought in.

The score is a sum, and so is its explanation. What the language model says is a sum over tokens already, and is given
as it is. What the head says is shared out by integrated gradients (Sundararajan, Taly, Yan 2017, eq. 1): the gradient
with respect to the embeddings of the answer, averaged on the way from a *blank* answer to the real one, times the way.

The blank answer has the same prompt and the same length, and EOS in every place: it ends before it says anything. It
is text that the model has seen, unlike embeddings of zero, which its normalisation blows up. The prompt is part of
both ends of the way, so that it gets no share; what the head says of the blank answer is told apart.

The shares sum to the score (the paper's completeness), up to the error of the quadrature. Where a score turns sharply
on the way, that takes many steps: they are doubled until the error is small, and what is left of it is returned.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.errors import BadFeedback
from models.policy import response_logprobs
from models.reward import RewardModel
from models.scorer import Scorer
from models.tokens import Batch, Turn, encode_answers, encode_prompts, pad

STEPS = (32, 64, 128, 256, 512, 1024)
"""Nodes of the Gauss–Legendre quadrature along the way: as many as the first that leaves a small error."""

SMALL = 0.01
"""An error, in standard deviations of the score, that no reader minds."""

ROWS = 16
"""Nodes in one backward pass."""

BROKEN = "\ufffd"
"""What bytes are shown as that make no whole character."""


class Piece(NamedTuple):
    """A token of an answer, or a few that make one character together. Numbers in standard deviations of the score."""

    text: str
    head: float
    """What the head gained by it."""
    likelihood: float
    """β (log p + H) / std: above 0 where the language model finds it likelier than most."""

    @property
    def total(self) -> float:
        """All that it brought in."""
        return self.head + self.likelihood


class Attribution(NamedTuple):
    """A score and its parts: score = blank + Σ pieces + error."""

    score: float
    """As reinforcement learning sees it: 0 is the mean over the training answers, 1 a standard deviation above."""
    blank: float
    """What the head says of the blank answer."""
    pieces: list[Piece]
    error: float
    """What the quadrature missed."""
    steps: int
    """Its nodes."""
    truncated: int
    """Tokens of the prompt that the model did not read."""
    cut: int
    """Tokens of the answer that it did not read."""


def attribute(model: RewardModel, prompt: Sequence[Turn], answer: str, steps: Sequence[int] = STEPS) -> Attribution:
    """Share the score of an answer out among its tokens.

    Args:
        model: the reward model that is asked.
        prompt: the turns before the answer.
        answer: its text.
        steps: how fine to look, the coarsest first; finer ones are tried while the error is not small.

    Raises:
        BadFeedback: an empty prompt or answer.
    """
    if not answer.strip():
        raise BadFeedback("an empty answer has no token to explain its score by; give one with --answer")
    scorer, tokenizer = model.scorer, model.scorer.tokenizer
    [context] = encode_prompts(tokenizer, [prompt], model.prompt_limit)
    [ids] = encode_answers(tokenizer, [answer], model.answer_limit)
    [whole] = encode_answers(tokenizer, [answer], sys.maxsize)
    batch = pad([context.ids], [ids], tokenizer.pad_token_id).to(scorer.model.device)
    blank = batch._replace(ids=batch.ids.masked_fill(batch.response, tokenizer.eos_token_id))
    with torch.no_grad():
        (said, _), (nothing, _) = scorer.parts(batch), scorer.parts(blank)
        nats = response_logprobs(scorer.model, batch) + scorer.surprise
        score = model(batch).item()
    for count in steps:
        head = _integrated(scorer, batch, blank, count) / model.std
        error = (said - nothing).item() / model.std - head.sum().item()
        if abs(error) <= SMALL:
            break
    prior = scorer.likelihood * nats / model.std
    shares = (share[0, len(context.ids) :].tolist() for share in (head, prior))
    return Attribution(
        score=score,
        blank=(nothing.item() - model.mean) / model.std,
        pieces=list(_pieces(tokenizer, ids, *shares)),
        error=error,
        steps=count,
        truncated=context.truncated,
        cut=len(whole) - len(ids),
    )


def _integrated(scorer: Scorer, batch: Batch, blank: Batch, steps: int) -> Tensor:
    """Each token's share of what the head says of `batch` above `blank`, one text each: (1, T) float32."""
    embed = scorer.model.get_input_embeddings()
    with torch.no_grad():
        start, way = embed(blank.ids), embed(batch.ids) - embed(blank.ids)  # (1, T, H)
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # on -1 to 1
    gradient = torch.zeros_like(way)
    for part in range(0, steps, ROWS):
        node, weight = (torch.from_numpy(half[part : part + ROWS]).to(way) for half in ((nodes + 1) / 2, weights / 2))
        points = (start + node[:, None, None] * way).requires_grad_()
        hidden = scorer.model.base_model(inputs_embeds=points, use_cache=False).last_hidden_state
        said = scorer.head(hidden[:, -1].float()).sum()  # a single text has no padding
        [slope] = torch.autograd.grad(said, points)
        gradient += torch.einsum("n,nth->th", weight, slope)
    shares: Tensor = (gradient * way).sum(dim=-1).float()
    return shares


def _pieces(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], head: Sequence[float], prior: Sequence[float]
) -> Iterator[Piece]:
    """Tokens as text. Those that hold parts of one character become one piece."""
    first = 0
    for end in range(1, len(ids) + 1):
        text: str = tokenizer.decode(ids[first:end], clean_up_tokenization_spaces=False)
        if BROKEN not in text or end == len(ids):
            yield Piece(text, sum(head[first:end]), sum(prior[first:end]))
            first = end
