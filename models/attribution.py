"""Attribute the score of an answer to its tokens.

The score is the sum of a head score and a likelihood term (models/scorer.py). The likelihood term is already a sum over
tokens. The head score is attributed by integrated gradients (Sundararajan, Taly and Yan 2017, eq. 1): the gradient with
respect to the embeddings of the answer, averaged along the straight path from a baseline to the real answer, times the
difference between the two.

The baseline is the *blank* answer: the same prompt, and EOS at every position of the answer. EOS occurs in the training
texts; embeddings of zero do not, and the normalisation layers would amplify them. The prompt is the same at both ends
of the path, so it gets no attribution; the head score of the blank answer is reported separately.

The attributions sum to the score (completeness, in the paper's terms), up to the quadrature error. Where the score
changes sharply along the path, many nodes are needed: their number is doubled until the error is small, and the
remaining error is returned.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.errors import BadFeedback
from models.reward import RewardModel
from models.scorer import Scorer
from models.tokens import Batch, Turn, encode_answers, encode_prompts, pad

STEPS = (32, 64, 128, 256, 512, 1024)
"""Numbers of Gauss–Legendre quadrature nodes along the path, tried in this order until the error is small."""

MAX_ERROR = 0.01
"""Acceptable quadrature error, in standard deviations of the score."""

NODES_PER_BATCH = 16
"""Quadrature nodes in one backward pass."""

REPLACEMENT_CHARACTER = "\ufffd"
"""What the tokenizer decodes an incomplete UTF-8 character to."""


class TokenAttribution(NamedTuple):
    """A token of an answer, or several that form one character. Numbers are in standard deviations of the score."""

    text: str
    head: float
    """Attribution of the head score to this piece."""
    likelihood: float
    """β (log p + H) / std; above 0 if the language model finds the piece more likely than an average token."""

    @property
    def total(self) -> float:
        """Attribution of the whole score to this piece."""
        return self.head + self.likelihood


class Attribution(NamedTuple):
    """A score and its attribution: score = blank + Σ pieces + error, in standard deviations of the score."""

    score: float
    """The normalised score: 0 is the mean over the training answers, 1 is one standard deviation above it."""
    blank: float
    """Normalised head score of the blank answer."""
    pieces: list[TokenAttribution]
    """The answer, in order."""
    error: float
    """Quadrature error: what the attributions miss of the score."""
    steps: int
    """Number of quadrature nodes."""
    truncated: int
    """Number of prompt tokens removed on the left, which the model did not read."""
    cut: int
    """Number of answer tokens removed on the right, which the model did not read."""


def attribute(model: RewardModel, prompt: Sequence[Turn], answer: str, steps: Sequence[int] = STEPS) -> Attribution:
    """Attribute the score of an answer to its tokens.

    Args:
        model: the reward model.
        prompt: the turns before the answer.
        answer: the text of the answer.
        steps: numbers of quadrature nodes in increasing order, tried until the error is at most `MAX_ERROR`.

    Raises:
        BadFeedback: the prompt or the answer is empty, or see `encode_prompts`.
        BadParams: see `encode_prompts`.
    """
    if not answer.strip():
        raise BadFeedback(
            "the answer is empty, so there are no tokens to attribute its score to; give one with --answer"
        )
    scorer, tokenizer = model.scorer, model.scorer.tokenizer
    [context] = encode_prompts(tokenizer, [prompt], model.prompt_limit)
    [ids] = encode_answers(tokenizer, [answer], model.answer_limit)
    [untruncated] = encode_answers(tokenizer, [answer], sys.maxsize)
    batch = pad([context.ids], [ids], tokenizer.pad_token_id).to(scorer.network.device)
    blank = batch._replace(ids=batch.ids.masked_fill(batch.response, tokenizer.eos_token_id))
    with torch.no_grad():
        (head_score, _), (blank_score, _) = scorer.parts(batch), scorer.parts(blank)  # (1,) each
        nats = scorer.network.logprobs(batch) + scorer.surprise  # (1, T)
        score = model(batch).item()
    for count in steps:
        head = _integrated_gradients(scorer, batch, blank, count) / model.std  # (1, T)
        error = (head_score - blank_score).item() / model.std - head.sum().item()
        if abs(error) <= MAX_ERROR:
            break
    prior = scorer.likelihood * nats / model.std
    attributions = (values[0, len(context.ids) :].tolist() for values in (head, prior))
    return Attribution(
        score=score,
        blank=(blank_score.item() - model.mean) / model.std,
        pieces=list(_pieces(tokenizer, ids, *attributions)),
        error=error,
        steps=count,
        truncated=context.truncated,
        cut=len(untruncated) - len(ids),
    )


def _integrated_gradients(scorer: Scorer, batch: Batch, blank: Batch, steps: int) -> Tensor:
    """Attribution of the head score of `batch` minus that of `blank`, one text each, to tokens: (1, T) float32."""
    network = scorer.network
    embed = network.model.get_input_embeddings()
    with torch.no_grad():
        start, path = embed(blank.ids), embed(batch.ids) - embed(blank.ids)  # (1, T, H)
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # on -1 to 1
    unit_nodes, unit_weights = (nodes + 1) / 2, weights / 2  # on 0 to 1
    mean_gradient = torch.zeros_like(path)
    for first in range(0, steps, NODES_PER_BATCH):
        part = slice(first, first + NODES_PER_BATCH)
        node, weight = (torch.from_numpy(values[part]).to(path) for values in (unit_nodes, unit_weights))
        points = (start + node[:, None, None] * path).requires_grad_()  # (nodes, T, H)
        with network.running():
            hidden = network.model.base_model(inputs_embeds=points, use_cache=False).last_hidden_state
        total_score = scorer.head(hidden[:, -1].float()).sum()  # -1: a single text has no padding
        [gradients] = torch.autograd.grad(total_score, points)
        mean_gradient += torch.einsum("n,nth->th", weight, gradients)
    attributions: Tensor = (mean_gradient * path).sum(dim=-1).float()
    return attributions


def _pieces(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], head: Sequence[float], prior: Sequence[float]
) -> Iterator[TokenAttribution]:
    """The tokens as text; tokens that are parts of one character are joined into one piece."""
    first = 0
    for end in range(1, len(ids) + 1):
        text: str = tokenizer.decode(ids[first:end], clean_up_tokenization_spaces=False)
        if REPLACEMENT_CHARACTER not in text or end == len(ids):
            yield TokenAttribution(text, sum(head[first:end]), sum(prior[first:end]))
            first = end
